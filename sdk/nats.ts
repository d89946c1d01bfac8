/** NATS by its own JavaScript clients: on Node, Deno and Bun, or with a connection that you have already. */
import type { OfflineOptions } from './connection/offline-queue.ts'
import { SpanwireError } from './errors.ts'
import { NatsTransport } from './transport/nats.ts'
import type { NatsConnectionLike } from './transport/nats-connection.ts'
import type { Transport } from './transport/transport.ts'
import type { WebSocketOptions } from './transport/websocket.ts'

export type { NatsConnectionLike, NatsMessageLike, NatsSubscriptionLike } from './transport/nats-connection.ts'

/**
 * Uses a connection that you have: of `nats`, `nats.ws`, `@nats-io/nats-core` or `@nats-io/transport-node`.
 * It must be connected, and made with `maxReconnectAttempts: -1` if it is to outlive long outages. What is published
 * while it is not connected waits here (the clients drop it). Closing the bus closes the connection.
 *
 *     const bus = connect({ transport: fromNats(await wsconnect({ servers })), events })
 */
export function fromNats(
  connection: NatsConnectionLike,
  options: { readonly offline?: OfflineOptions } = {},
): Transport {
  return new NatsTransport(connection, options.offline)
}

/** Options of {@link nats}: those of `connect` that make sense without a WebSocket. */
export type NatsOptions = Pick<
  WebSocketOptions,
  'url' | 'token' | 'user' | 'pass' | 'name' | 'connectTimeout' | 'pingInterval' | 'offline'
>

/**
 * Connects to `nats://` or `tls://` by the package `nats`, which is loaded now and must be installed.
 * It reconnects for ever; `connect({ url: 'nats://…' })` does the same.
 * A `token` function is asked before the first connection and after each one that was lost.
 * @throws SpanwireError `invalid-argument`; the status becomes `closed` with `unsupported` if `nats` isn't there
 */
export function nats(options: NatsOptions): Transport {
  const url = new URL(options.url)
  if (url.protocol !== 'nats:' && url.protocol !== 'tls:')
    throw new SpanwireError('invalid-argument', 'The URL must be nats:// or tls://.')
  return new NatsTransport(dial(url, options), options.offline)
}

async function dial(url: URL, options: NatsOptions): Promise<NatsConnectionLike> {
  const { token: source, connectTimeout = 10_000, pingInterval = 25_000, name } = options
  const client = await import('nats').catch((cause) => {
    throw new SpanwireError('unsupported', 'The package nats can\'t be loaded: run "npm install nats".', { cause })
  })
  const user = options.user ?? (decodeURIComponent(url.username) || undefined)
  const pass = options.pass ?? (decodeURIComponent(url.password) || undefined)
  let token = typeof source === 'function' ? await source() : source
  const connection = await client.connect({
    servers: url.host,
    reconnect: true,
    maxReconnectAttempts: -1,
    waitOnFirstConnect: true,
    reconnectTimeWait: 500,
    reconnectJitter: 1_500,
    reconnectJitterTLS: 1_500,
    timeout: connectTimeout,
    pingInterval,
    ...(name !== undefined && { name }),
    ...(user !== undefined && { user }),
    ...(pass !== undefined && { pass }),
    ...(source !== undefined && { authenticator: client.tokenAuthenticator(() => token ?? '') }),
    ...(url.protocol === 'tls:' && { tls: {} }),
  })
  if (typeof source === 'function') void refresh()
  return connection

  async function refresh(): Promise<void> {
    for await (const { type } of connection.status()) {
      if (type !== 'disconnect') continue
      try {
        token = await (source as () => string | Promise<string>)()
      } catch {
        // The old one may still do; if not, the next loss asks again.
      }
    }
  }
}
