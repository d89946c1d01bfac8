/** The entry `spanwire/nats`: transports on NATS's own JavaScript clients, for Node, Deno and Bun. */

import { createBackoff } from '../../kit/backoff.ts'
import { notInstalled } from '../../kit/optional-package.ts'
import { pause } from '../../kit/pause.ts'
import { SpanwireError } from '../../wire/errors.ts'
import { askToken } from '../ask-token.ts'
import { closedError } from '../checks.ts'
import type { OfflineOptions } from '../outbound.ts'
import type { Transport } from '../transport.ts'
import type { WebSocketOptions } from '../websocket/websocket-options.ts'
import type { NatsConnectionLike } from './nats-connection.ts'
import { toSpanwireError } from './nats-messages.ts'
import { NatsTransport } from './nats-transport.ts'

export type { NatsConnectionLike, NatsMessageLike, NatsSubscriptionLike } from './nats-connection.ts'

/**
 * Returns a transport on an existing connection of `nats`, `nats.ws`, `@nats-io/nats-core` or `@nats-io/transport-node`. It
 * must be connected. Create it with `maxReconnectAttempts: -1` to continue after long outages. Messages that are published
 * while it is not connected wait in the offline queue. (The clients drop them.) Closing the bus closes the connection.
 *
 * @example
 *     const bus = connect({ transport: fromNats(await wsconnect({ servers })), events })
 */
export function fromNats(
  connection: NatsConnectionLike,
  options: { readonly offline?: OfflineOptions } = {},
): Transport {
  return new NatsTransport(connection, options.offline)
}

/** Refusals in a row after which a token function is not called again. */
const MAX_REFUSALS = 3

/** Options of {@link nats}. See {@link WebSocketOptions}. */
export type NatsOptions = Pick<
  WebSocketOptions,
  'url' | 'token' | 'user' | 'pass' | 'name' | 'connectTimeout' | 'pingInterval' | 'offline'
> & {
  /** Content of the `.creds` file of a NATS user. Default: none */
  readonly creds?: string
}

/**
 * Returns a transport that connects to `nats://` or `tls://`, like `connect({ url: 'nats://…' })`. It loads the package
 * `nats`, which must be installed. It reconnects without a limit. A `token` function is called before each attempt of the
 * first connection, and after each lost connection. If the server refuses a token, the client closes, with a function after
 * three refusals in a row.
 *
 * @example
 *     const transport = nats({ url: 'nats://127.0.0.1:4222' })
 * @throws SpanwireError `invalid-argument`. The status becomes `closed` with `unsupported` if `nats` is not installed
 */
export function nats(options: NatsOptions): Transport {
  const url = URL.canParse(options.url) ? new URL(options.url) : undefined
  if (url?.protocol !== 'nats:' && url?.protocol !== 'tls:')
    throw new SpanwireError('invalid-argument', 'The URL is not valid: use nats:// or tls://.')
  return new NatsTransport((signal, failed) => dial(url, options, signal, failed), options.offline)
}

/** Dials until an attempt succeeds. The client's own retries cannot be aborted, and use one token. */
async function dial(
  url: URL,
  options: NatsOptions,
  signal: AbortSignal,
  failed: (error: SpanwireError) => void,
): Promise<NatsConnectionLike> {
  const { token: source, connectTimeout = 10_000, pingInterval = 25_000, name, creds } = options
  // Bundlers that follow the condition `node` find this import in each bundle of a server. Without the comments, webpack and
  // Turbopack fail if the package is not installed. Others leave an import with a `catch` to the runtime.
  const client = await import(/* webpackIgnore: true */ /* turbopackIgnore: true */ 'nats').catch(
    notInstalled('A connection to nats:// or tls://', 'nats'),
  )
  const user = options.user ?? (decodeURIComponent(url.username) || undefined)
  const pass = options.pass ?? (decodeURIComponent(url.password) || undefined)
  let token: string | undefined
  let refusals = 0
  const backoff = createBackoff()
  while (!signal.aborted) {
    try {
      token = typeof source === 'function' ? await askToken(source, connectTimeout) : source
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
      // An error of the token function is final.
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
    for await (const status of connection.status()) {
      if (Object(status).type !== 'disconnect') continue
      try {
        token = await askToken(source, connectTimeout)
      } catch {
        // The old token may still be valid. The next lost connection repeats the call.
      }
    }
  }
}
