import { Hono } from 'hono'
import type { HostBindings } from '../bridge/http/connect-route.ts'
import { eventsRoute } from '../bridge/http/events-route.ts'
import { tokenFinder, urlTokenFinder } from '../bridge/http/find-token.ts'
import type { DialHub } from '../bridge/http/hub-line.ts'
import { allowOrigins } from '../bridge/http/origins.ts'
import { toProblem } from '../bridge/http/problem.ts'
import { tunnelStream } from '../bridge/http/tunnel-routes.ts'
import { SpanwireError, type SpanwireErrorCode } from '../sdk/wire/errors.ts'
import { TUNNEL_HEADER } from '../sdk/wire/header-names.ts'
import type { Settings } from './env.ts'
import type { Hub } from './hubs.ts'
import type { UpgradedResponse } from './runtime.ts'

/** Finds the hub of a request's client. */
type FindHub = (request: Request) => Hub

/** Which requests end in the Worker itself; the rest of the tunnel is its input, which belongs to the hub. */
export function isEventStream({ method, url }: Request): boolean {
  const { pathname } = new URL(url)
  return /^\/events\/?$/.test(pathname) || (pathname === '/nats/stream' && method !== 'POST')
}

/**
 * The routes that answer by Server-Sent Events, for the stateless Worker: a Durable Object can't see that the client of
 * such an answer has gone, and would keep its subscriptions for ever. The Worker can, and holds a WebSocket to the hub
 * that ends with it.
 */
export function eventStreams({ auth, origins }: Settings, findHub: FindHub): Hono<{ Bindings: HostBindings }> {
  const findToken = tokenFinder(auth.cookie, origins)
  const dial = dialHub(findHub)
  const app = new Hono<{ Bindings: HostBindings }>()
  app.use(allowOrigins(origins, auth.cookie))
  app.route('/events', eventsRoute(dial, urlTokenFinder(findToken, auth.urlTokenLifetime)))
  app.route('/nats/stream', tunnelStream(dial, findToken))
  app.notFound((c) => toProblem(c, new SpanwireError('request-refused', 'This route answers GET only.')))
  app.onError((error, c) => toProblem(c, error))
  return app
}

function dialHub(findHub: FindHub): DialHub {
  return async (c, handler, { token, tunnel }) => {
    const url = new URL(tunnel === undefined ? '/nats' : '/nats/stream', c.req.url)
    const headers = new Headers({ Upgrade: 'websocket' })
    if (token !== undefined) headers.set('Authorization', `Bearer ${token}`)
    if (tunnel !== undefined) headers.set(TUNNEL_HEADER, tunnel)
    const response: UpgradedResponse = await findHub(c.req.raw)
      .fetch(new Request(url, { headers }))
      .catch((cause) => {
        throw new SpanwireError('upstream-unavailable', 'The hub is out of reach for the moment: try again.', { cause })
      })
    const socket = response.webSocket
    if (!socket) throw await toError(response)
    let ended = false
    socket.binaryType = 'arraybuffer'
    socket.addEventListener('message', ({ data }) => ended || handler.bytes(new Uint8Array(data as ArrayBuffer)))
    const end = () => {
      if (ended) return
      ended = true
      handler.closed()
    }
    socket.addEventListener('close', end)
    socket.addEventListener('error', end)
    socket.accept()
    return {
      send: (bytes) => {
        if (!ended) socket.send(bytes)
      },
      close() {
        if (ended) return
        ended = true
        socket.close(1000)
      },
    }
  }
}

/** What the hub says why it doesn't upgrade. */
async function toError(response: Response): Promise<SpanwireError> {
  const { code, detail } = (await response.json().catch(() => ({}))) as { code?: SpanwireErrorCode; detail?: string }
  return new SpanwireError(
    code ?? 'upstream-unavailable',
    detail ?? 'The hub is out of reach for the moment: try again.',
  )
}
