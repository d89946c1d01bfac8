import type { NatsSocket } from '../../bridge/upstream/nats-client.ts'
import { createWorker, type ObjectState, type WorkerEnv } from '../../worker/index.ts'

/**
 * A main module for tests only: the Worker with the route `POST /test/<hub>/let-go`, after which the runtime may evict
 * the hub. Timers and the upstream keep a hub in memory, and eviction in workerd waits for them. The route stops the
 * timers and cuts the sockets to NATS, like the loss of a machine. Sessions are not closed, and no state is saved.
 */
const { worker, SpanwireHub: Hub } = createWorker({ watch: 1_000, linger: 200 })
const timers = new Set<ReturnType<typeof setTimeout>>()
const upstreams = new Set<NatsSocket>()
let released = false

for (const name of ['setTimeout', 'setInterval'] as const) {
  const original = globalThis[name] as (
    run: () => void,
    delay?: number,
    ...rest: unknown[]
  ) => ReturnType<typeof setTimeout>
  const tracked = (run: () => void, delay?: number, ...rest: unknown[]) => {
    if (released) return 0
    const timer = original(run, delay, ...rest)
    timers.add(timer)
    return timer
  }
  Object.assign(globalThis, { [name]: tracked })
}

export class SpanwireHub extends Hub {
  readonly state: ObjectState

  constructor(state: ObjectState, env: WorkerEnv) {
    released = false
    super(state, env)
    this.state = state
  }

  override async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url)
    if (pathname.endsWith('/stored')) {
      return Response.json([...this.state.storage.kv.list({ prefix: '' })].map(([key]) => key))
    }
    if (!pathname.endsWith('/let-go')) return super.fetch(request)
    released = true
    for (const timer of timers) clearTimeout(timer)
    timers.clear()
    // Closes the socket without notifying the hub.
    for (const socket of upstreams) socket.close()
    upstreams.clear()
    return new Response(null, { status: 204 })
  }

  protected override openTcp(address: string, secure: boolean): NatsSocket {
    const socket = super.openTcp(address, secure)
    upstreams.add(socket)
    return socket
  }
}

export default {
  fetch(request: Request, env: WorkerEnv): Promise<Response> {
    const [, hub] = /^\/test\/([^/]+)\//.exec(new URL(request.url).pathname) ?? []
    return hub === undefined ? worker.fetch(request, env) : env.HUB.getByName(hub).fetch(request)
  },
}
