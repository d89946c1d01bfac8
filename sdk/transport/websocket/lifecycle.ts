import { createBackoff } from '../../kit/backoff.ts'
import { MAX_TIMER } from '../../kit/max-timer.ts'
import { VERSION } from '../../kit/version.ts'
import { encodeConnect } from '../../wire/client-op.ts'
import { isSpanwireError, SpanwireError } from '../../wire/errors.ts'
import type { ServerInfo } from '../../wire/server-op.ts'
import { checkSize } from '../checks.ts'
import type { LinkSocket } from '../link-socket.ts'
import { createOutbound, type Outbound, type Outgoing } from '../outbound.ts'
import type { StatusCell } from '../status-cell.ts'
import type { Send, Subscription } from './client-subscription.ts'
import { type Connection, openConnection } from './connection.ts'
import { toSocketUrl } from './socket-url.ts'
import type { WebSocketOptions } from './websocket-options.ts'

/** Refusals in a row after which a token function is not called again. */
const MAX_REFUSALS = 3

/** A PUB or HPUB. */
export interface Message extends Outgoing {
  readonly frame: Uint8Array
}

/** The connections of a client, one after the other, until `end`. */
export interface Lifecycle {
  /** The newest INFO. */
  readonly info: ServerInfo | undefined
  readonly outbound: Outbound<Message>
  readonly send: Send
  /** Closes permanently. Idempotent. */
  end(error: SpanwireError): void
}

/**
 * Dials, greets the server, restores subscriptions, and dials again after a loss.
 * @param opened called when a connection is live
 */
export function createLifecycle(
  options: WebSocketOptions,
  cell: StatusCell,
  subscriptions: ReadonlyMap<string, Subscription>,
  opened: () => void,
): Lifecycle {
  const { token: source, user, pass, name, via, share, pingInterval = 25_000 } = options
  const url = toSocketUrl(options.url)
  const redials = createBackoff(options.backoff, options.random)
  const outbound = createOutbound<Message>(
    cell,
    options.offline,
    ({ size, frame }) => {
      checkSize(size, info)
      connection?.send(frame)
    },
    () => connection?.ping(),
  )
  let refusals = 0
  let info: ServerInfo | undefined
  let fallback: typeof import('./fallback.ts') | undefined
  // State of the current connection:
  let connection: Connection | undefined
  /** CONNECT was sent. */
  let greeted = false
  let patience: ReturnType<typeof setTimeout> | undefined
  let stopRefresh: Promise<() => void> | undefined

  async function dial(): Promise<void> {
    const { failures } = redials
    let limit = Math.min(options.connectTimeout ?? 10_000, MAX_TIMER)
    let step = 'The token function'
    try {
      // A function that hangs, like a fetch without a network, must not end all attempts.
      const token = await Promise.race([
        typeof source === 'function' ? source() : source,
        new Promise<never>((_, reject) => {
          patience = setTimeout(reject, limit, 'timeout')
        }),
      ])
      clearTimeout(patience)
      // If the module can't be loaded, as offline, there is still the WebSocket.
      if (share || via === 'sse' || failures > 1) fallback ??= await import('./fallback.ts').catch(() => undefined)
      const socket = await fallback?.openOtherWay(options, url, failures)
      step = 'The WebSocket'
      if (cell.phase === 'closed') return socket?.close()
      if (!via && !failures) limit = Math.min(3_000, limit)
      patience = setTimeout(() => {
        // A timeout counts as two refusals.
        redials.failures++
        connection?.end(new SpanwireError('connection-refused', `No connection within ${limit} ms.`))
      }, limit)
      connection = openConnection(
        // Throws where a page is forbidden to dial it (mixed content, Content-Security-Policy).
        socket ?? options.openSocket?.(url) ?? (new WebSocket(url) as LinkSocket),
        pingInterval,
        {
          message: (sid, message) => subscriptions.get(sid)?.handler.message(message),
          informed: (next) => informed(next, token),
          ponged,
          erred(text) {
            const { oldest } = outbound
            return (module) => module.readError(text, oldest, subscriptions)
          },
          beat: outbound.add,
          lost,
        },
      )
    } catch (cause) {
      if (isSpanwireError(cause, 'authentication-failed')) end(cause)
      else lost(new SpanwireError('connection-refused', `${step} failed.`, { cause }))
    }
  }

  /** The browser is online again, or the page is shown or hidden, maybe after a sleep. */
  function wake(): void {
    if (redials.isScheduled) redials.schedule(dial, 0)
    else connection?.probe()
  }

  const send: Send = (frame, pending) => {
    if (greeted) {
      connection?.send(frame)
      outbound.add(pending)
    }
    return greeted
  }

  function informed(next: ServerInfo, token: string | undefined): void {
    info = next
    if (!greeted) {
      greet(next, token)
    } else if (next.ldm) {
      const leaving = connection
      leaving?.handle((module) => module.leave(leaving, cell, outbound))
    } else if (connection?.isLive) {
      reached()
    }
  }

  function greet({ edge }: ServerInfo, token: string | undefined): void {
    greeted = true
    send(
      encodeConnect({
        verbose: false,
        pedantic: false,
        headers: true,
        no_responders: true,
        protocol: 1,
        lang: 'spanwire',
        version: VERSION,
        // JSON leaves out undefined members.
        ...({ auth_token: token, user, pass, name } as object),
      }),
    )
    for (const subscription of subscriptions.values()) send(subscription.frame, subscription)
    // nats-server accepts no second CONNECT, and closes the connection of an expired token.
    if (edge && token && typeof source === 'function')
      stopRefresh = import('./token-refresh.ts').then(
        (module) => module.keepFresh(token, source, send),
        // The token is valid until it expires. Then a new connection is made.
        () => () => {},
      )
  }

  function ponged(): void {
    const confirmed = outbound.confirmed()
    if (!connection?.isLive) {
      clearTimeout(patience)
      redials.failures = refusals = 0
      connection?.start()
      opened()
      reached()
    }
    // The PONG of a bridge that lost NATS in between does not confirm publishes.
    const error =
      cell.phase === 'stalled'
        ? new SpanwireError('upstream-unavailable', 'NATS was lost: it may have arrived.')
        : undefined
    connection?.inTurn(() => {
      for (const pending of confirmed) pending.settle(error)
    })
  }

  /** The server answers, and so does NATS, unless a bridge reports otherwise. */
  function reached(): void {
    if (info?.edge?.upstream === 'reconnecting') {
      cell.set('stalled', new SpanwireError('upstream-unavailable', 'The bridge has lost NATS.'))
    } else if (cell.phase !== 'open') {
      // Queued messages precede messages that listeners publish. Subscriptions that were not ready are now.
      outbound.resume()
      for (const subscription of subscriptions.values()) outbound.add(subscription)
      cell.set('open')
    }
  }

  /** The connection, or an attempt to open one, failed. */
  function lost(error: SpanwireError): void {
    if (cell.phase === 'closed') return
    forget()
    outbound.lost(
      new SpanwireError('connection-lost', 'The connection was lost: it may have arrived.', {
        cause: error,
      }),
    )
    if (error.code === 'authentication-failed' && (typeof source !== 'function' || ++refusals === MAX_REFUSALS))
      return end(error)
    redials.schedule(dial)
    cell.set('reconnecting', error)
  }

  /** Drops the state of one connection. */
  function forget(): void {
    clearTimeout(patience)
    stopRefresh?.then((stop) => stop())
    greeted = false
    connection = stopRefresh = undefined
  }

  function end(error: SpanwireError): void {
    if (cell.phase === 'closed') return
    cell.phase = 'closed'
    redials.cancel()
    globalThis.removeEventListener?.('online', wake)
    globalThis.document?.removeEventListener('visibilitychange', wake)
    const last = connection
    forget()
    last?.end(error)
    outbound.end(error)
    for (const subscription of [...subscriptions.values()]) subscription.end(error)
    cell.set('closed', error)
  }

  globalThis.addEventListener?.('online', wake)
  globalThis.document?.addEventListener('visibilitychange', wake)
  void dial()
  return {
    get info() {
      return info
    },
    outbound,
    send,
    end,
  }
}
