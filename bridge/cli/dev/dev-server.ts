import { networkInterfaces } from 'node:os'
import type { Events } from '../../../sdk/contract/contract.ts'
import { bytes } from '../../../sdk/contract/event.ts'
import { type EnsureStreamsOptions, ensureStreams, type StreamChange } from '../../../sdk/streams/index.ts'
import { webSocket } from '../../../sdk/transport/websocket/websocket.ts'
import { isSpanwireError, SpanwireError } from '../../../sdk/wire/errors.ts'
import type { BridgeServer } from '../../hosts/bridge-server.ts'
import { type DevState, devToken } from '../connection/dev-state.ts'
import { withoutPassword } from '../connection/when-open.ts'
import type { EventDescription } from '../contract/event-description.ts'
import { serveHere } from '../runtime/host.ts'
import { Playground } from './playground.ts'

export interface DevServerOptions {
  readonly state: DevState
  readonly port: number
  /** Whether another port may be taken where that one is busy. */
  readonly isPortFree: boolean
  readonly host: string
  readonly upstream: string
  readonly contract: string | undefined
  readonly events: readonly EventDescription[]
}

/** A bridge for development, with its page. */
export interface DevServer {
  readonly server: BridgeServer
  readonly playground: Playground
  /** Such as `http://localhost:8080`. */
  readonly url: string
  readonly token: string
}

/** Ports that are tried after a busy one. */
const MORE_PORTS = 20
/** How long NATS may take to answer, in ms. */
const PATIENCE = 5_000
const ANY_PORT = ['http://localhost:*', 'https://localhost:*', 'http://127.0.0.1:*', 'http://[::1]:*']

/**
 * Starts it, and waits until the broker is connected.
 * @throws SpanwireError (as rejection) `connection-refused`, `invalid-argument`, `upstream-unavailable`
 */
export async function startDevServer(options: DevServerOptions): Promise<DevServer> {
  const { state, host, upstream, contract, events } = options
  const token = await devToken(state)
  const hosts = host === '127.0.0.1' ? [] : [host, ...ownAddresses()]
  // A fragment stays in the browser, and the page removes it.
  const inspector = `/inspector#key=${state.monitoringKey}`
  const first = { token, broker: '', contract, events, problem: undefined, inspector }
  const playground = new Playground(first, hosts)
  const server = await listen(options, playground)
  if ((await inTime(server.bridge.hub.opened)) === 'late') {
    await server.close()
    throw new SpanwireError(
      'upstream-unavailable',
      `NATS at ${withoutPassword(upstream)} is out of reach for ${PATIENCE} ms: start it, or leave --upstream out.`,
    )
  }
  playground.set({ broker: server.bridge.hub.upstreamName })
  return { server, playground, token, url: `http://${host === '127.0.0.1' ? 'localhost' : host}:${server.port}` }
}

async function listen(options: DevServerOptions, { routes }: Playground): Promise<BridgeServer> {
  const { state, port, isPortFree, host, upstream } = options
  for (let next = port; ; next++) {
    try {
      return await serveHere({
        port: next,
        host,
        upstream,
        auth: { secret: state.secret },
        origins: ANY_PORT,
        admin: { key: state.adminKey },
        monitoring: { key: state.monitoringKey },
        inspector: true,
        log: 'warn',
        routes,
      })
    } catch (error) {
      const isBusy = isSpanwireError(error, 'connection-refused') && /in use/i.test(error.message)
      if (!isBusy || !isPortFree || next === port + MORE_PORTS) throw error
    }
  }
}

/** Addresses by which other machines call this one. */
function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((all) =>
    (all ?? []).map(({ address }) => (address.includes(':') ? `[${address}]` : address)),
  )
}

async function inTime(opened: Promise<void>): Promise<'late' | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), PATIENCE)
  })
  const result = await Promise.race([opened, late])
  clearTimeout(timer)
  return result === 'late' ? 'late' : undefined
}

/**
 * Makes the streams that the events name, through the bridge: the same on NATS and on the embedded broker.
 * @throws SpanwireError (as rejection) the errors of `ensureStreams`
 */
export async function makeStreams(
  { url, token }: Pick<DevServer, 'url' | 'token'>,
  events: readonly EventDescription[],
  options: Pick<EnsureStreamsOptions, 'defaults' | 'streams'>,
): Promise<StreamChange[]> {
  const contract: Events = Object.fromEntries(
    events.map(({ name, stream }) => [name, bytes(stream === undefined ? {} : { stream })]),
  )
  const transport = webSocket({ url, token })
  try {
    return await ensureStreams(contract, transport, options)
  } finally {
    await transport.close()
  }
}
