import { Hono } from 'hono'
import { toBase64 } from '../../sdk/wire/base64.ts'
import { isSpanwireError, SpanwireError } from '../../sdk/wire/errors.ts'
import { TUNNEL_HEADER } from '../../sdk/wire/header-names.ts'
import { maxFrame } from '../auth/limits.ts'
import { UNIDENTIFIED } from '../budget/budget.ts'
import type { HubCore } from '../hub/hub-core.ts'
import type { Peers } from '../hub/peers.ts'
import { limitBody, readBody } from './body.ts'
import { type HostBindings, isWebSocket } from './connect-route.ts'
import type { FindToken } from './find-token.ts'
import type { DialHub, HubLine } from './hub-line.ts'
import { problem } from './problem.ts'
import { RequestMemory } from './request-memory.ts'
import { answerHead, encodeSse, SseBody, sseResponse } from './sse-body.ts'
import { forwardPost, MAX_PART, readPostOf } from './tunnel-forward.ts'
import { hubOfTunnel, isTunnelKey, newTunnelKey, type Tunnels } from './tunnels.ts'

/**
 * In characters. The hub's limit of 8 MiB is 11 MiB in base64. It does not hold for a client that posts PONGs without
 * reading.
 */
const MAX_HELD = 16 * 1024 * 1024

type TunnelApp = Hono<{ Bindings: HostBindings }>

/**
 * `GET /nats/stream`: the bytes of a WebSocket at `/nats` as Server-Sent Events, for networks that block WebSockets. The
 * first event has the key for `POST /nats/stream`, which takes the bytes of the client.
 * @param hub id of the hub that `dial` reaches, if known. Other hubs forward POSTs to it.
 */
export function tunnelStream(dial: DialHub, findToken: FindToken, hub?: string): TunnelApp {
  const app: TunnelApp = new Hono()

  app.get('/', async (c) => {
    if (isWebSocket(c.req.raw))
      throw new SpanwireError('request-refused', 'This path is for clients without WebSockets. Connect to /nats.')
    const head = answerHead(c)
    if (head) return head
    const key = newTunnelKey(hub)
    let line: HubLine | undefined
    const body = new SseBody(c, () => line?.close())
    body.write(encodeSse(JSON.stringify({ key }), 'tunnel'))
    const handler = {
      bytes: (bytes: Uint8Array) => {
        body.write(encodeSse(toBase64(bytes)))
        if (body.held <= MAX_HELD) return
        line?.close()
        body.abort()
      },
      get held() {
        return body.held
      },
      closed: () => body.end(),
      abort: () => body.abort(),
    }
    try {
      line = await dial(c, handler, { token: findToken(c), tunnel: key })
    } catch (error) {
      body.gone()
      throw error
    }
    return sseResponse(c, body, line)
  })

  return app
}

/** Dependencies of {@link tunnelInput}. */
export interface TunnelInputOptions {
  readonly hub: HubCore
  readonly tunnels: Tunnels
  readonly peers: Peers
  readonly findToken: FindToken
}

/**
 * `POST /nats/stream`: bytes of the client. The header has `<key> <number>`. Numbers begin at 1. If another hub holds the
 * session, they are forwarded to it.
 * `GET /nats/stream` with an upgrade: for a Worker that answers the client's `GET` itself. It is a WebSocket as at `/nats`,
 * whose session also takes POSTs with the key of its header.
 */
export function tunnelInput({ hub, tunnels, peers, findToken }: TunnelInputOptions): TunnelApp {
  const app: TunnelApp = new Hono()

  app.post('/', async (c) => {
    const post = readPostOf(c.req.header(TUNNEL_HEADER))
    const owner = hubOfTunnel(post.key)
    const memory = new RequestMemory(hub.budget, UNIDENTIFIED)
    const limits = { max: maxFrame(hub.limits), timeout: hub.limits.bodyTimeout, memory }
    try {
      if (owner !== undefined && owner !== hub.id) {
        memory.take(2 * MAX_PART)
        const target = { ...post, peers, hub: owner, maxPayload: hub.upstream.maxPayload }
        await limitBody(c, limits, () => forwardPost(c.req.raw.body, target))
      } else if (tunnels.admit(post, () => memory.stop())) {
        tunnels.receive({ ...post, bytes: await readBody(c, limits) })
      }
      return c.body(null, 204)
    } catch (error) {
      if (!isSpanwireError(error, 'connection-lost')) throw error
      return problem(c, error, 404)
    } finally {
      memory.close()
    }
  })

  app.get('/', (c, next) => {
    const { upgrade } = c.env ?? {}
    const key = c.req.header(TUNNEL_HEADER)
    if (!upgrade || !isTunnelKey(key) || !isWebSocket(c.req.raw)) return next()
    if (tunnels.has(key)) throw new SpanwireError('request-refused', 'A tunnel with this key is open already.')
    const token = findToken(c)
    return upgrade((socket) => {
      const connection = hub.open(socket, token)
      tunnels.add(key, (bytes) => connection.receive(bytes))
      return {
        receive: (bytes) => connection.receive(bytes),
        grown: () => connection.grown(),
        closed() {
          tunnels.remove(key)
          connection.closed()
        },
      }
    })
  })

  return app
}
