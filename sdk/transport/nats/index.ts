/** NATS by its own JavaScript clients: on Node, Deno and Bun, or with a connection that you have already. */

import { createBackoff } from '../../kit/backoff.ts'
import { MAX_TIMER } from '../../kit/max-timer.ts'
import { notInstalled } from '../../kit/optional-package.ts'
import { pause } from '../../kit/pause.ts'
import { SpanwireError } from '../../wire/errors.ts'
import { closedError } from '../checks.ts'
import type { OfflineOptions } from '../outbound.ts'
import type { Transport } from '../transport.ts'
import type { WebSocketOptions } from '../websocket/websocket-options.ts'
import type { NatsConnectionLike } from './nats-connection.ts'
import { toSpanwireError } from './nats-messages.ts'
import { NatsTransport } from './nats-transport.ts'

export type { NatsConnectionLike, NatsMessageLike, NatsSubscriptionLike } from './nats-connection.ts'

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

/** Refusals in a row after which a token function isn't asked again. */
const MAX_REFUSALS = 3

/** Options of {@link nats}: those of `connect` that make sense without a WebSocket. */
export type NatsOptions = Pick<
  WebSocketOptions,
  'url' | 'token' | 'user' | 'pass' | 'name' | 'connectTimeout' | 'pingInterval' | 'offline'
> & {
  /** The text of a NATS user's `.creds` file. */
  readonly creds?: string
}

/**
 * Connects to `nats://` or `tls://` by the package `nats`, which is loaded now and must be installed.
 * It reconnects for ever; `connect({ url: 'nats://…' })` does the same.
 * A `token` function is asked before each attempt to connect first, and after each connection that was lost. A token that
 * is refused closes the client; if it is a function, after three refusals in a row.
 * @throws SpanwireError `invalid-argument`; the status becomes `closed` with `unsupported` if `nats` isn't there
 */
export function nats(options: NatsOptions): Transport {
  const url = URL.canParse(options.url) ? new URL(options.url) : undefined
  if (url?.protocol !== 'nats:' && url?.protocol !== 'tls:')
    throw new SpanwireError('invalid-argument', 'The URL must be nats:// or tls://.')
  return new NatsTransport((signal, failed) => dial(url, options, signal, failed), options.offline)
}

/** A token function that hangs must not end all attempts. */
async function inTime(asked: string | Promise<string>, ms: number): Promise<string> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`The token function gave no token within ${ms} ms.`)),
      Math.min(ms, MAX_TIMER),
    )
  })
  try {
    return await Promise.race([asked, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Until one attempt succeeds: the client's own way to do that can't be ended, and asks for no other token. */
async function dial(
  url: URL,
  options: NatsOptions,
  signal: AbortSignal,
  failed: (error: SpanwireError) => void,
): Promise<NatsConnectionLike> {
  const { token: source, connectTimeout = 10_000, pingInterval = 25_000, name, creds } = options
  const client = await import('nats').catch(notInstalled('A connection to nats:// or tls://', 'nats'))
  const user = options.user ?? (decodeURIComponent(url.username) || undefined)
  const pass = options.pass ?? (decodeURIComponent(url.password) || undefined)
  let token: string | undefined
  let refusals = 0
  const backoff = createBackoff()
  while (!signal.aborted) {
    try {
      token = typeof source === 'function' ? await inTime(source(), connectTimeout) : source
      const connection = await client.connect({
        servers: url.host,
        reconnect: true,
        maxReconnectAttempts: -1,
        reconnectTimeWait: 500,
        reconnectJitter: 1_500,
        reconnectJitterTLS: 1_500,
        timeout: connectTimeout,
        pingInterval,
        ...(name !== undefined && { name }),
        ...(user !== undefined && { user }),
        ...(pass !== undefined && { pass }),
        ...(source !== undefined && { authenticator: client.tokenAuthenticator(() => token ?? '') }),
        ...(creds !== undefined && { authenticator: client.credsAuthenticator(new TextEncoder().encode(creds)) }),
        ...(url.protocol === 'tls:' && { tls: {} }),
      })
      if (typeof source === 'function') void refresh(connection, source)
      return connection
    } catch (cause) {
      const error = toSpanwireError(cause)
      // The token function's own word is the last.
      if (
        error.code === 'authentication-failed' &&
        (typeof source !== 'function' || cause === error || ++refusals === MAX_REFUSALS)
      )
        throw error
      failed(error)
    }
    await pause(backoff.next(), signal)
  }
  throw closedError()

  async function refresh(connection: NatsConnectionLike, source: () => string | Promise<string>): Promise<void> {
    for await (const { type } of connection.status() as AsyncIterable<{ type: string }>) {
      if (type !== 'disconnect') continue
      try {
        token = await source()
      } catch {
        // The old one may still do; if not, the next loss asks again.
      }
    }
  }
}
