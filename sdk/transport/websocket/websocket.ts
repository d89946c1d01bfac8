import { createBackoff } from '../../kit/backoff.ts'
import { lazy, preload } from '../../kit/lazy.ts'
import { MAX_TIMER } from '../../kit/max-timer.ts'
import { VERSION } from '../../kit/version.ts'
import { encodeConnect, encodePublish, encodeSubscribe, encodeUnsubscribe } from '../../wire/client-op.ts'
import { isSpanwireError, SpanwireError } from '../../wire/errors.ts'
import { encodeFields } from '../../wire/header-fields.ts'
import type { ServerInfo } from '../../wire/server-op.ts'
import { checkFilter, checkSize, checkSubject, closedError } from '../checks.ts'
import type { LinkSocket } from '../link-socket.ts'
import { createOutbound, type Outgoing, type Pending } from '../outbound.ts'
import { StatusCell } from '../status-cell.ts'
import type { SubscriptionHandler, Transport } from '../transport.ts'
import { type Connection, openConnection } from './connection.ts'
import type { SuspectSubscription } from './incidents.ts'
import { toSocketUrl } from './socket-url.ts'
import type { WebSocketOptions } from './websocket-options.ts'

/** Refusals in a row after which a token function isn't asked again. */
const MAX_REFUSALS = 3

interface Message extends Outgoing {
  readonly frame: Uint8Array
}

interface Subscription extends Pending, SuspectSubscription {
  readonly frame: Uint8Array
  readonly handler: SubscriptionHandler
}

// Not part of the first load: many pages never need them.
const incidents = lazy(() => import('./incidents.ts'))

/**
 * Spanwire's own NATS client over WebSocket.
 * Source: https://docs.nats.io/reference/reference-protocols/nats-protocol and bridge/PROTOCOL.md.
 * @throws SpanwireError `invalid-argument` for a URL that can't be dialled
 */
export function webSocket(options: WebSocketOptions): Transport {
  const { token: source, user, pass, name, via, share, pingInterval = 25_000 } = options
  const connectTimeout = Math.min(options.connectTimeout ?? 10_000, MAX_TIMER)
  const url = toSocketUrl(options.url)
  const requests = lazy(async () => (await import('./requester.ts')).createRequester(transport))
  const cell = new StatusCell('connecting')
  const subscriptions = new Map<string, Subscription>()
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
  let lastSid = 0
  let refusals = 0
  /** The newest INFO. */
  let info: ServerInfo | undefined
  /** Set while an error of the server is processed. Later operations wait for it. */
  let handling: Promise<void> | undefined
  let fallback: typeof import('./fallback.ts') | undefined
  // State of the current connection:
  let connection: Connection | undefined
  /** CONNECT was sent. */
  let greeted = false
  let patience: ReturnType<typeof setTimeout> | undefined
  let fault: SpanwireError | undefined
  let stopRefresh: Promise<() => void> | undefined

  async function dial(): Promise<void> {
    const { failures } = redials
    let step = 'The token function'
    try {
      // A function that hangs, like a fetch without a network, must not end all attempts.
      const token = await Promise.race([
        typeof source === 'function' ? source() : source,
        new Promise<never>((_, reject) => {
          patience = setTimeout(reject, connectTimeout, 'timeout')
        }),
      ])
      clearTimeout(patience)
      // If the module can't be loaded, as offline, there is still the WebSocket.
      if (share || via === 'sse' || failures > 1) fallback ??= await import('./fallback.ts').catch(() => undefined)
      const socket = await fallback?.openOtherWay(options, url, failures)
      step = 'Opening the WebSocket'
      if (cell.phase === 'closed') return socket?.close()
      const limit = via || failures ? connectTimeout : Math.min(3_000, connectTimeout)
      patience = setTimeout(() => {
        // A timeout counts as two refusals.
        redials.failures++
        connection?.end(new SpanwireError('connection-refused', `No connection within ${limit} ms.`))
      }, limit)
      // Throws where a page is forbidden to dial it (mixed content, Content-Security-Policy).
      connection = openConnection(
        socket ?? options.openSocket?.(url) ?? (new WebSocket(url) as LinkSocket),
        pingInterval,
        {
          message: (sid, message) => subscriptions.get(sid)?.handler.message(message),
          operation(verb, text) {
            if (verb === '-ERR') erred(text)
            else if (verb === 'INFO') informed(JSON.parse(text), token)
            else if (verb === 'PONG') ponged()
          },
          beat: outbound.add,
          lost: (error) => inTurn(() => lost(fault ?? error)),
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

  function send(frame: Uint8Array, pending?: Pending): void {
    if (!greeted) return
    connection?.send(frame)
    outbound.add(pending)
  }

  function informed(next: ServerInfo, token: string | undefined): void {
    info = next
    if (!greeted) {
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
      if (next.edge && token && typeof source === 'function')
        stopRefresh = import('./token-refresh.ts').then(
          (module) => module.keepFresh(token, source, send),
          // The token is valid until it expires. Then a new connection is made.
          () => () => {},
        )
    } else if (next.ldm) {
      const leaving = connection
      handle((module) => module.leave(leaving, cell, outbound))
    } else if (connection?.isLive) {
      reached()
    }
  }

  function ponged(): void {
    const confirmed = outbound.confirmed()
    if (!connection?.isLive) {
      clearTimeout(patience)
      redials.failures = refusals = 0
      connection?.start()
      preload(incidents, requests)
      reached()
    }
    // The PONG of a bridge that lost NATS in between does not confirm publishes.
    const error =
      cell.phase === 'stalled'
        ? new SpanwireError('upstream-unavailable', 'NATS was lost before it was confirmed: it may have arrived.')
        : undefined
    inTurn(() => {
      for (const pending of confirmed) pending.settle(error)
    })
  }

  function inTurn(run: () => void): void {
    if (handling) handling.then(run)
    else run()
  }

  /** The server answers. NATS does too, unless a bridge reports otherwise. */
  function reached(): void {
    if (info?.edge?.upstream === 'reconnecting') {
      cell.set('stalled', new SpanwireError('upstream-unavailable', 'The bridge has lost NATS.'))
    } else if (cell.phase !== 'open') {
      // Queued messages go before those that listeners publish. Subscriptions that were not ready are now.
      outbound.resume()
      for (const subscription of subscriptions.values()) outbound.add(subscription)
      cell.set('open')
    }
  }

  /** Later operations of the server wait until `run` has returned. */
  function handle(run: (incidents: typeof import('./incidents.ts')) => void): void {
    const current = connection
    const own = incidents(run)
      .catch((error) => current?.end(error))
      .then(() => {
        if (handling === own) handling = undefined
      })
    handling = own
  }

  function erred(text: string): void {
    const current = connection
    const { oldest } = outbound
    handle((incidents) => {
      const about = incidents.readError(text, oldest, subscriptions)
      if (!about || current !== connection) return
      fault = about.error
      if (about.credentials) current?.end(fault)
    })
  }

  /** The connection, or an attempt to open one, failed. */
  function lost(error: SpanwireError): void {
    if (cell.phase === 'closed') return
    forget()
    outbound.lost(
      new SpanwireError('connection-lost', 'The connection was lost before it was confirmed: it may have arrived.', {
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
    connection = fault = stopRefresh = undefined
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

  function assertNotClosed(): void {
    if (cell.phase === 'closed') throw closedError()
  }

  const transport: Transport = {
    get edge() {
      return info && !!info.edge
    },
    get status() {
      return cell.status
    },
    onStatus: (listener) => cell.listen(listener),

    async publish(subject, payload, { reply, headers, signal } = {}) {
      assertNotClosed()
      checkSubject(subject)
      checkSubject(reply)
      const block = headers?.length ? encodeFields(headers) : undefined
      const size = payload.length + (block?.length ?? 0)
      checkSize(size, info)
      const frame = encodePublish(subject, payload, reply, block)
      return outbound.publish((settle) => ({ frame, subject, reply, size, settle }), signal)
    },

    async request(...args) {
      assertNotClosed()
      return requests((request) => request(...args))
    },

    subscribe(filter, handler, { queue } = {}) {
      assertNotClosed()
      checkFilter(filter, queue)
      const sid = `${++lastSid}`
      const ready = Promise.withResolvers<void>()
      ready.promise.catch(() => {})
      /** Returns whether the subscription existed. */
      const forget = (error: Error = new SpanwireError('aborted', 'Ended before the server had it.')) => {
        ready.reject(error)
        return subscriptions.delete(sid)
      }
      const subscription: Subscription = {
        sid,
        filter,
        queue,
        handler,
        frame: encodeSubscribe(filter, sid, queue),
        // After an error the next connection subscribes again.
        settle: (error) => error || cell.phase !== 'open' || ready.resolve(),
        end(error) {
          forget(error)
          handler.ended(error)
        },
      }
      subscriptions.set(sid, subscription)
      send(subscription.frame, subscription)
      return {
        ready: ready.promise,
        unsubscribe() {
          if (forget()) send(encodeUnsubscribe(sid))
        },
        async drain() {
          // Messages that the server sent before arrive before its PONG. If the connection is lost, none arrive.
          if (greeted && subscriptions.has(sid))
            await new Promise<unknown>((settle) => send(encodeUnsubscribe(sid), { settle }))
          forget()
        },
      }
    },

    async flush() {
      assertNotClosed()
      return outbound.flush()
    },

    async drain() {
      for (const sid of subscriptions.keys()) send(encodeUnsubscribe(sid))
      await outbound.drain()
      end(closedError())
    },

    async close() {
      end(closedError())
    },
  }

  globalThis.addEventListener?.('online', wake)
  globalThis.document?.addEventListener('visibilitychange', wake)
  void dial()
  return transport
}
