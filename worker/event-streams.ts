import { Hono } from 'hono'
import type { HostBindings } from '../bridge/http/connect-route.ts'
import { eventsRoute } from '../bridge/http/events-route.ts'
import { tokenFinder, urlTokenFinder } from '../bridge/http/find-token.ts'
import type { DialHub } from '../bridge/http/hub-line.ts'
import { allowOrigins } from '../bridge/http/origins.ts'
import { toProblem } from '../bridge/http/problem.ts'
import { tunnelStream } from '../bridge/http/tunnel-routes.ts'
import type { Log } from '../bridge/log/log.ts'
import { SpanwireError, type SpanwireErrorCode } from '../sdk/wire/errors.ts'
import { TUNNEL_HEADER } from '../sdk/wire/header-names.ts'
import type { Settings } from './env.ts'
import type { Hub } from './hubs.ts'
import { logOrigins } from './origin-log.ts'
import type { UpgradedResponse } from './runtime.ts'

/** Returns the hub for the client of a request. */
type FindHub = (request: Request) => Hub

/** Whether a request is for an event stream, which the Worker serves itself. Input of a tunnel goes to the hub. */
export function isEventStream({ method, url }: Request): boolean {
  const { pathname } = new URL(url)
  return /^\/events\/?$/.test(pathname) || (pathname === '/nats/stream' && method !== 'POST')
}

/**
 * Routes that respond with Server-Sent Events. They run in the stateless Worker, which holds a WebSocket to the hub for
 * each stream. A Durable Object does not notice when the client of a response leaves, and would keep its subscriptions.
 */
export function eventStreams(
  { auth, origins }: Settings,
  findHub: FindHub,
  log: Log,
): Hono<{ Bindings: HostBindings }> {
  const findToken = tokenFinder(auth.cookie, origins)
  const dial = dialHub(findHub)
  const app = new Hono<{ Bindings: HostBindings }>()
  app.use(allowOrigins(origins, auth.cookie))
  app.route('/events', eventsRoute(dial, urlTokenFinder(findToken, auth.urlTokenLifetime)))
  app.route('/nats/stream', tunnelStream(dial, findToken))
  app.notFound((c) => toProblem(c, new SpanwireError('request-refused', 'This route supports GET only.')))
  app.onError(logOrigins(log))
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
        throw new SpanwireError('upstream-unavailable', 'The hub is unavailable at the moment. Try again.', { cause })
      })
    const socket = response.webSocket
    if (!socket) throw await toError(response)
    let ended = false
    socket.binaryType = 'arraybuffer'
    socket.addEventListener('message', ({ data }) => ended || handler.bytes(new Uint8Array(data as ArrayBuffer)))
    const end = (reason: string) => {
      if (ended) return
      ended = true
      handler.closed(reason)
    }
    socket.addEventListener('close', ({ reason = '' }) => end(reason))
    socket.addEventListener('error', () => end(''))
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

/** The error in a response of the hub that is not an upgrade. */
async function toError(response: Response): Promise<SpanwireError> {
  const { code, detail } = (await response.json().catch(() => ({}))) as { code?: SpanwireErrorCode; detail?: string }
  return new SpanwireError(code ?? 'upstream-unavailable', detail ?? 'The hub is unavailable at the moment. Try again.')
}
