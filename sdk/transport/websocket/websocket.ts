import { createBackoff } from '../../kit/backoff.ts'
import { lazy, preload } from '../../kit/lazy.ts'
import { MAX_TIMER } from '../../kit/max-timer.ts'
import { encodeFrame } from '../../wire/bytes.ts'
import { encodeConnect, encodePublish, encodeSubscribe, encodeUnsubscribe } from '../../wire/client-op.ts'
import { isSpanwireError, SpanwireError } from '../../wire/errors.ts'
import { encodeFields } from '../../wire/header-fields.ts'
import type { ServerInfo } from '../../wire/server-op.ts'
import { checkFilter, checkSize, checkSubject, closedError, onAbort, queueFull } from '../checks.ts'
import { type ConnectionInput, type Phase, toState, transition } from '../connection-state.ts'
import type { LinkSocket } from '../link-socket.ts'
import { createOfflineQueue } from '../offline-queue.ts'
import { StatusCell } from '../status-cell.ts'
import type { SubscriptionHandler, Transport } from '../transport.ts'
import { type Link, openLink } from './link.ts'
import { createRoundTrips, type RoundTrips } from './round-trips.ts'
import type { Suspect, SuspectSubscription } from './server-error.ts'
import { toSocketUrl } from './socket-url.ts'
import type { WebSocketOptions } from './websocket-options.ts'

/** How long a server may take to say something once a page is looked at again, in ms. */
const PROBE = 5_000
/** Refusals in a row after which a token function isn't asked again. */
const MAX_REFUSALS = 3

/** A message to be sent, or a subscription, or somebody who only waits. */
interface Member extends Suspect {
  readonly frame?: Uint8Array
}

/** A message, and how large it is: header block and payload, in bytes. */
interface Sized extends Member {
  readonly size: number
}

interface Subscription extends Member, SuspectSubscription {
  readonly frame: Uint8Array
  readonly handler: SubscriptionHandler
}

/**
 * Spanwire's own NATS client over WebSocket.
 * Source: https://docs.nats.io/reference/reference-protocols/nats-protocol and bridge/PROTOCOL.md.
 * @throws SpanwireError `invalid-argument` for a URL that can't be dialled
 */
export function webSocket(options: WebSocketOptions): Transport {
  const { token: source, user, pass, name, via, share, pingInterval = 25_000 } = options
  const connectTimeout = Math.min(options.connectTimeout ?? 10_000, MAX_TIMER)
  const url = toSocketUrl(options.url)
  // Not part of the first load: many pages never need them.
  const errors = lazy(() => import('./server-error.ts'))
  const requests = lazy(async () => (await import('./requester.ts')).createRequester(transport))
  const cell = new StatusCell('connecting')
  const queue = createOfflineQueue<Sized>(options.offline)
  const subscriptions = new Map<string, Subscription>()
  /** Those who asked for a flush while offline. */
  const flushes: Member[] = []
  let phase: Phase = 'connecting'
  let lastSid = 0
  /** What the server last said of itself. */
  let info: ServerInfo | undefined
  /** While errors of the server are being told: what came behind them waits. */
  let telling: Promise<void> | undefined
  // Of the current connection:
  let link: Link | undefined
  let trips: RoundTrips<Member> | undefined
  let fault: SpanwireError | undefined
  /** A ping was sent, and nothing came since. */
  let silent = false
  let probe: ReturnType<typeof setTimeout> | undefined
  let heartbeat: ReturnType<typeof setInterval> | undefined
  let stopRefresh: Promise<() => void> | undefined
  // Of the attempts to make one:
  const redials = createBackoff(options.backoff, options.random)
  let refusals = 0
  let other: typeof import('./fallback.ts') | undefined
  let patience: ReturnType<typeof setTimeout> | undefined

  async function dial(): Promise<void> {
    let step = 'The token function'
    try {
      // One that hangs, as a fetch on a network that is gone, must not end all attempts.
      const token = await Promise.race([
        typeof source === 'function' ? source() : source,
        new Promise<never>((_, reject) => {
          patience = setTimeout(reject, connectTimeout, 'too late')
        }),
      ])
      clearTimeout(patience)
      // Without the module, as when the page is offline, there is still the WebSocket.
      if (share || via === 'sse' || redials.failures > 1) other ??= await import('./fallback.ts').catch(() => undefined)
      const socket = await other?.openOtherWay(options, url, redials.failures)
      step = 'Opening the WebSocket'
      if (phase === 'closed') return socket?.close()
      const wait = via || redials.failures ? connectTimeout : Math.min(3_000, connectTimeout)
      patience = setTimeout(() => {
        // As bad as two refusals.
        redials.failures++
        link?.end(new SpanwireError('connection-refused', `No connection within ${wait} ms.`))
      }, wait)
      // Throws where a page is forbidden to dial it (mixed content, Content-Security-Policy).
      link = openLink(socket ?? options.openSocket?.(url) ?? (new WebSocket(url) as LinkSocket), {
        message(sid, message) {
          silent = false
          subscriptions.get(sid)?.handler.message(message)
        },
        operation(verb, text) {
          silent = false
          if (verb === '-ERR') erred(text)
          else if (verb === 'INFO') informed(JSON.parse(text), token)
          else if (verb === 'PONG') ponged()
          else if (verb === 'PING') link?.send(encodeFrame('PONG'))
        },
        lost: (error) => inTurn(() => lost(fault ?? error)),
      })
    } catch (cause) {
      if (isSpanwireError(cause, 'authentication-failed')) end(cause)
      else lost(new SpanwireError('connection-refused', `${step} failed.`, { cause }))
    }
  }

  /** The browser says that the network is back, or that the page is seen again (or isn't any more), maybe after a sleep. */
  function wake(): void {
    if (redials.isScheduled) return redials.schedule(dial, 0)
    if (heartbeat === undefined || probe) return
    silent = false
    beat()
    probe = setTimeout(() => {
      probe = undefined
      if (silent) beat()
    }, PROBE)
  }

  function informed(next: ServerInfo, token: string | undefined): void {
    info = next
    if (!trips) {
      const current = createRoundTrips<Member>((bytes) => link?.send(bytes))
      trips = current
      current.send(
        encodeConnect({
          verbose: false,
          pedantic: false,
          headers: true,
          no_responders: true,
          protocol: 1,
          lang: 'spanwire',
          version: '0.1.0',
          // JSON leaves out what is undefined.
          ...({ auth_token: token, user, pass, name } as object),
        }),
      )
      for (const subscription of subscriptions.values()) current.send(subscription.frame, subscription)
      // nats-server takes no second CONNECT, and asks for a new token by closing.
      if (next.edge && token && typeof source === 'function')
        stopRefresh = import('./token-refresh.ts').then(
          ({ keepFresh }) =>
            keepFresh(token, source, (auth_token) => current.send(encodeConnect({ verbose: false, auth_token }))),
          // The token holds until it expires; then the connection is made anew.
          () => () => {},
        )
    } else if (next.ldm) {
      // Lame duck: what is under way is confirmed, what comes now waits, and another server is looked for.
      const error = new SpanwireError('connection-lost', 'The server is shutting down.')
      const leaving = link
      enter('lost', error)
      trips.send(undefined, { settle: () => leaving?.end(error) })
    } else if (heartbeat !== undefined) {
      reached()
    }
  }

  function ponged(): void {
    const waiters = trips?.ponged() ?? []
    if (heartbeat === undefined) {
      clearTimeout(patience)
      redials.failures = refusals = 0
      // While a probe is under way it decides: a beat that is due would find its ping unanswered at once.
      heartbeat = setInterval(() => probe || beat(), pingInterval)
      preload(errors, requests)
      reached()
    }
    // The PONG of a bridge that lost NATS meanwhile confirms nothing that was published.
    const error =
      phase === 'stalled'
        ? new SpanwireError('upstream-unavailable', 'NATS was lost before it was confirmed: it may have arrived.')
        : undefined
    inTurn(() => {
      for (const waiter of waiters) waiter.settle(error)
    })
  }

  function inTurn(run: () => void): void {
    if (telling) telling.then(run)
    else run()
  }

  /** The server is there. NATS too, unless it is a bridge that says something else. */
  function reached(): void {
    if (info?.edge?.upstream === 'reconnecting') {
      enter('stall', new SpanwireError('upstream-unavailable', 'The bridge has lost NATS.'))
    } else if (phase !== 'open') {
      // What has waited goes before what the listeners may publish; subscriptions that weren't ready are now.
      for (const member of queue.take()) send(member)
      for (const waiter of [...flushes.splice(0), ...subscriptions.values()]) trips?.send(undefined, waiter)
      enter('ready')
    }
  }

  function send(member: Sized): void {
    try {
      checkSize(member.size, info)
      trips?.send(member.frame, member)
    } catch (error) {
      member.settle(error as Error)
    }
  }

  function beat(): void {
    if (silent) return link?.end(new SpanwireError('connection-lost', 'The server has stopped answering.'))
    silent = true
    trips?.send()
  }

  function erred(text: string): void {
    const current = link
    const oldest = trips?.oldest ?? []
    const own = errors(({ tellError }) => {
      const about = tellError(text, oldest, subscriptions)
      if (!about || current !== link) return
      fault = about.error
      if (about.credentials) current?.end(fault)
    })
      .catch((error) => current?.end(error))
      .then(() => {
        if (telling === own) telling = undefined
      })
    telling = own
  }

  /** The connection, or an attempt to make one, is gone. */
  function lost(error: SpanwireError): void {
    if (phase === 'closed') return
    abandon(
      new SpanwireError('connection-lost', 'The connection was lost before it was confirmed: it may have arrived.', {
        cause: error,
      }),
    )
    if (error.code === 'authentication-failed' && (typeof source !== 'function' || ++refusals === MAX_REFUSALS)) {
      return end(error)
    }
    redials.schedule(dial)
    enter('lost', error)
  }

  /** Forgets everything that belongs to one connection. */
  function abandon(error: Error): void {
    clearInterval(heartbeat)
    clearTimeout(patience)
    clearTimeout(probe)
    stopRefresh?.then((stop) => stop())
    const waiters = trips?.end() ?? []
    heartbeat = probe = link = trips = fault = stopRefresh = undefined
    silent = false
    for (const waiter of waiters) waiter.settle(error)
  }

  function end(error: SpanwireError): void {
    if (phase === 'closed') return
    phase = 'closed'
    redials.cancel()
    globalThis.removeEventListener?.('online', wake)
    globalThis.document?.removeEventListener('visibilitychange', wake)
    const last = link
    abandon(error)
    last?.end(error)
    for (const member of [...queue.take(), ...flushes]) member.settle(error)
    for (const subscription of [...subscriptions.values()]) subscription.end(error)
    cell.set(phase, error)
  }

  function enter(input: ConnectionInput, error?: SpanwireError): void {
    phase = transition(phase, input)
    cell.set(toState(phase), error)
  }

  function assertNotClosed(): void {
    if (phase === 'closed') throw closedError()
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
      return new Promise((resolve, reject) => {
        const member: Sized = {
          frame: encodePublish(subject, payload, reply, block),
          subject,
          reply,
          size,
          settle(error) {
            release()
            if (error) reject(error)
            else resolve()
          },
        }
        const release = onAbort(signal, (error) => {
          queue.delete(member)
          reject(error)
        })
        if (signal?.aborted) return
        if (phase === 'open') send(member)
        else for (const refused of queue.add(member)) refused.settle(queueFull())
      })
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
      /** Returns whether it was live. */
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
        // After an error there will be another connection, which has it again.
        settle: (error) => error || phase !== 'open' || ready.resolve(),
        end(error) {
          forget(error)
          handler.ended(error)
        },
      }
      subscriptions.set(sid, subscription)
      trips?.send(subscription.frame, subscription)
      return {
        ready: ready.promise,
        unsubscribe() {
          if (forget()) trips?.send(encodeUnsubscribe(sid))
        },
        async drain() {
          // What the server had sent before arrives before its PONG; if the connection is lost, nothing more comes.
          if (trips && subscriptions.has(sid))
            await new Promise<unknown>((settle) => trips?.send(encodeUnsubscribe(sid), { settle }))
          forget()
        },
      }
    },

    async flush() {
      assertNotClosed()
      return new Promise((resolve, reject) => {
        const member: Member = { settle: (error) => (error ? reject(error) : resolve()) }
        if (phase === 'open') trips?.send(undefined, member)
        else flushes.push(member)
      })
    },

    async drain() {
      for (const sid of subscriptions.keys()) trips?.send(encodeUnsubscribe(sid))
      // While NATS is away nothing more comes, and only what waits is worth waiting for.
      if (phase === 'open' || queue.length > 0) await transport.flush().catch(() => {})
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
