import { createBackoff } from '../../kit/backoff.ts'
import { report } from '../../kit/guard.ts'
import { lazy, loadUntil } from '../../kit/lazy.ts'
import { MAX_TIMER } from '../../kit/max-timer.ts'
import { VERSION } from '../../kit/version.ts'
import { encodeConnect } from '../../wire/client-op.ts'
import { isSpanwireError, SpanwireError } from '../../wire/errors.ts'
import type { ServerInfo } from '../../wire/server-op.ts'
import { checkSize } from '../checks.ts'
import type { LinkSocket } from '../link-socket.ts'
import { createOutbound, type Outbound, type Outgoing } from '../outbound.ts'
import type { StatusCell } from '../status-cell.ts'
import { toToken } from '../token.ts'
import type { Send, Subscription } from './client-subscription.ts'
import { type Connection, openConnection } from './connection.ts'
import { readError } from './server-error.ts'
import { toSocketUrl } from './socket-url.ts'
import type { WebSocketOptions } from './websocket-options.ts'

/** Refusals in a row after which a token function is not called again. */
const MAX_REFUSALS = 3
/** How long a connection must last until the next attempt comes as soon as the first, in ms. */
const STABLE = 5_000
/** Time after which a WebSocket without an answer may be blocked, in ms. */
const SILENCE = 3_000

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
  // Not part of the first load: most pages need neither.
  const fallbacks = lazy(async () => (await import('./fallback.ts')).createFallback(options, url, leave))
  const refreshing = lazy(() => import('./token-refresh.ts'))
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
  /** The server has answered the first PING of this connection, or of one that was lost. */
  let isLive: boolean | undefined
  let info: ServerInfo | undefined
  // State of the current connection:
  let connection: Connection | undefined
  /** CONNECT was sent. */
  let greeted = false
  let patience: ReturnType<typeof setTimeout> | undefined
  let stopRefresh: (() => void) | undefined

  async function dial(): Promise<void> {
    const limit = Math.min(options.connectTimeout ?? 10_000, MAX_TIMER)
    let step = 'token()'
    try {
      // A function that hangs, like a fetch without a network, must not end all attempts.
      const late = new Promise<never>((_, reject) => {
        patience = setTimeout(reject, limit, 'timeout')
      })
      const token = typeof source === 'function' ? toToken(await Promise.race([source(), late])) : source
      clearTimeout(patience)
      step = 'WebSocket'
      const socket =
        share || (/^http/.test(`${options.url}`) && (via === 'sse' || redials.failures))
          ? await fallbacks(({ open }) => open(token, isLive)).catch((error) => {
              // Without the module, as offline, there is still the WebSocket.
              if (via === 'sse') throw error
            })
          : undefined
      isLive = false
      if (cell.phase === 'closed') return socket?.close()
      patience = setTimeout(
        () => {
          const own = connection
          const stop = (error: SpanwireError) => isLive || own?.end(error)
          fallbacks(({ outwait }) => outwait(limit, redials.failures, () => greeted)).then(stop, stop)
        },
        redials.failures ? limit : Math.min(limit, SILENCE),
      )
      connection = openConnection(
        // Throws where a page is forbidden to dial it (mixed content, Content-Security-Policy).
        socket ?? options.openSocket?.(url) ?? (new WebSocket(url) as LinkSocket),
        pingInterval,
        {
          message(sid, message) {
            try {
              subscriptions.get(sid)?.handler.message(message)
            } catch (error) {
              // It costs that message only.
              report(error)
            }
          },
          informed: (next) => informed(next, token),
          ponged,
          erred: (text) => readError(text, outbound.oldest, subscriptions),
          beat: outbound.add,
          lost,
        },
      )
    } catch (cause) {
      if (isSpanwireError(cause, 'authentication-failed')) end(cause)
      else
        lost(
          isSpanwireError(cause)
            ? cause
            : new SpanwireError('connection-refused', `${step} failed: ${(cause as Error)?.message ?? cause}`, {
                cause,
              }),
        )
    }
  }

  /** Operations under way are confirmed, new ones wait for the next connection. */
  function leave(reason: string): void {
    const error = new SpanwireError('connection-lost', reason)
    const leaving = connection
    cell.set('reconnecting', error)
    outbound.add({ settle: () => leaving?.end(error) })
  }

  /** The browser is online again, or the page is shown or hidden, maybe after a sleep. */
  function wake(): void {
    if (redials.isScheduled) redials.schedule(dial, 0)
    else connection?.probe()
  }

  /** Begins or ends to call `wake`. */
  function watch(method: 'addEventListener' | 'removeEventListener'): void {
    globalThis[method]?.('online', wake)
    globalThis.document?.[method]('visibilitychange', wake)
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
      leave('The server is shutting down.')
    } else if (isLive) {
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
    const own = connection
    if (edge && token && typeof source === 'function')
      // Until it is loaded, the token is valid until it expires. Then a new connection is made.
      loadUntil(
        refreshing,
        () => own === connection,
        ({ keepFresh }) => {
          stopRefresh = keepFresh(token, source, send)
        },
      ).catch(() => {})
  }

  function ponged(refusal: SpanwireError | undefined): void {
    const confirmed = outbound.confirmed()
    if (!isLive) {
      clearTimeout(patience)
      isLive = true
      patience = setTimeout(() => {
        redials.failures = 0
      }, STABLE)
      refusals = 0
      connection?.start()
      opened()
      reached()
    }
    // The PONG of a bridge that lost NATS in between does not confirm publishes.
    const error =
      cell.phase === 'stalled'
        ? new SpanwireError('upstream-unavailable', 'The bridge lost NATS: it may have arrived.')
        : undefined
    for (const pending of confirmed) {
      if (refusal) subscriptions.get(pending.sid ?? '')?.end(refusal)
      pending.settle(refusal ?? error)
    }
  }

  /** The server answers, and so does NATS, unless a bridge reports otherwise. */
  function reached(): void {
    if (info?.edge?.upstream === 'reconnecting') {
      cell.set('stalled', new SpanwireError('upstream-unavailable', 'The bridge lost NATS.'))
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
    stopRefresh?.()
    greeted = false
    connection = stopRefresh = undefined
  }

  function end(error: SpanwireError): void {
    if (cell.phase === 'closed') return
    cell.phase = 'closed'
    redials.cancel()
    watch('removeEventListener')
    const last = connection
    forget()
    last?.end(error)
    outbound.end(error)
    for (const subscription of subscriptions.values()) subscription.end(error)
    cell.set('closed', error)
  }

  watch('addEventListener')
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
