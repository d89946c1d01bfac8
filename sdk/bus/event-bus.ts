import type {
  OnOptions,
  PublishOptions,
  ReplayOptions,
  RequestOptions,
  StreamHandle,
  SubscribeOptions,
} from '../contract/bus.ts'
import { type ContractEvent, type Events, findEvent } from '../contract/contract.ts'
import type { Gap } from '../contract/gap.ts'
import type { ReceivedEvent } from '../contract/received-event.ts'
import { type Source, type SourceMessage, toSource, toSubscription } from '../contract/source.ts'
import { validate } from '../contract/validate.ts'
import { guard } from '../kit/guard.ts'
import { createIds } from '../kit/ids.ts'
import { lazy, preload } from '../kit/lazy.ts'
import { Listeners } from '../kit/listeners.ts'
import type { OutboxOptions } from '../outbox/outbox.ts'
import type { PresenceOptions } from '../presence/presence.ts'
import { closedError, onAbort } from '../transport/checks.ts'
import type { SubscriptionHandler, Transport } from '../transport/transport.ts'
import { SpanwireError } from '../wire/errors.ts'
import { ID_HEADER, TIME_HEADER } from '../wire/header-names.ts'
import { createEventStream } from './event-stream.ts'
import { createReceiver, type Faults } from './receiver.ts'
import type { Send } from './request.ts'
import { createStatus } from './status.ts'

type Values = Readonly<Record<string, string>>
type Handler = (event: ReceivedEvent) => unknown
type Options = SubscribeOptions & ReplayOptions

/** {@link Bus} without its types: what `connect` returns behind them. */
export function createBus(
  contract: Events,
  transport: Transport,
  {
    onInvalid,
    onError,
    onGap,
    outbox,
  }: Partial<Faults> & Pick<SubscribeOptions, 'onGap'> & { readonly outbox?: 'persistent' | OutboxOptions | undefined },
): object {
  // Not part of the first load: many pages only publish and subscribe.
  const requests = lazy(() => import('./request.ts'))
  const publishing = lazy(async () => (await import('./publisher.ts')).createPublisher(transport, outbox))
  const replaying = lazy(() => import('../replay/replay.ts'))
  const views = lazy(() => import('./latest.ts'))
  const presences = lazy(() => import('../presence/presence.ts'))
  const conflating = lazy(() => import('./conflated.ts'))
  const interruptions = lazy(() => import('./interruptions.ts'))
  const hasStreams = Object.values(contract).some((entry) => 'stream' in entry && entry.stream)
  if (hasStreams) preload(replaying)
  if (hasStreams || outbox) preload(publishing)

  const report = (error: unknown, event?: unknown) =>
    console.error('spanwire:', (event as ReceivedEvent | undefined)?.subject, error)
  // Whatever these throw is the last of it.
  const safe =
    <E>(call: (error: E, event: ReceivedEvent) => void = report) =>
    (error: E, event: ReceivedEvent) =>
      guard(call, report, [error, event])
  const faults: Faults = { onInvalid: safe(onInvalid), onError: safe(onError) }

  /** Those that were used. */
  const events = new Map<string, ContractEvent>()
  const drains = new Set<() => Promise<void>>()
  /** What isn't settled: publishes; requests and answers. */
  const publishes = new Set<Promise<unknown>>()
  const exchanges = new Set<Promise<unknown>>()
  const newId = createIds()

  function find(name: string): ContractEvent {
    let event = events.get(name)
    if (!event) {
      event = findEvent(contract, name)
      events.set(name, event)
    }
    return event
  }

  /** Validates and encodes; then `go`. Without a wait in between if the schema is synchronous, so order is kept. */
  const send: Send = (schema, event, subject, data, { id = newId(), headers = [] }, go) => {
    const valid = validate(schema, data, subject)
    const proceed = () => {
      let payload: Uint8Array
      try {
        payload = event.codec.encode(data)
      } catch (cause) {
        throw new SpanwireError('invalid-data', `The data of ${subject} can't be encoded.`, { cause })
      }
      return go(payload, [[ID_HEADER, id], [TIME_HEADER, `${Date.now()}`], ...headers])
    }
    return valid instanceof Promise ? valid.then(proceed) : proceed()
  }

  /** So that `drain` waits for it, and `flush` for publishes. */
  function track<T>(underway: Set<Promise<unknown>>, work: Promise<T>): Promise<T> {
    underway.add(work)
    work.catch(() => {}).then(() => underway.delete(work))
    return work
  }

  const parts = { transport, faults, send }

  /** Params come first, if the template has any. */
  const takeParams = ({ template }: ContractEvent, args: unknown[]) =>
    ((template.hasParams && args.shift()) || {}) as Values

  function readArgs<Options>(event: ContractEvent, args: unknown[]): [subject: string, data: unknown, Options] {
    const subject = event.template.subject(takeParams(event, args))
    return [subject, args[0], (args[1] ?? {}) as Options]
  }

  /** Subscribes; returns the source, and what ends it. */
  function attach(
    event: ContractEvent,
    filter: string,
    options: Options,
    isReplay: unknown,
    deliver: (event: ReceivedEvent, message: SourceMessage) => void,
    invalid: Faults['onInvalid'],
    ended: (error?: Error) => void,
  ): [source: Source, unsubscribe: () => void, drain: () => Promise<void>] {
    // Of a stream it would be told later, when its module is there.
    if (transport.status.state === 'closed') throw closedError()
    const { receive, settled } = createReceiver(event, deliver, invalid)
    let watching: Promise<unknown> | undefined
    const over = () => {
      drains.delete(drain)
      watching?.then((stop) => (stop as (() => void) | undefined)?.())
    }
    const handler: SubscriptionHandler = {
      message: receive,
      ended(error) {
        over()
        ended(error)
      },
    }
    const { queue, conflate, onGap: told = onGap } = options
    const replays = isReplay && queue === undefined
    const source = replays
      ? toSource(
          replaying(({ replay }) => replay(transport, filter, handler, { ...options, onGap: told })),
          handler,
        )
      : conflate
        ? toSource(
            conflating(({ subscribeConflated }) => subscribeConflated(transport, filter, handler)),
            handler,
          )
        : transport.subscribe(filter, handler, { queue })
    if (told && !replays)
      watching = interruptions(({ watchInterruptions }) => watchInterruptions(transport, source, filter, told)).catch(
        report,
      )
    const drain = async () => {
      await source.drain()
      await settled()
      over()
      ended()
    }
    drains.add(drain)
    const unsubscribe = () => {
      over()
      source.unsubscribe()
    }
    return [source, unsubscribe, drain]
  }

  function handle(
    name: string,
    args: unknown[],
    isReplay: boolean,
    deliver: (handler: Handler, received: ReceivedEvent, message: SourceMessage, event: ContractEvent) => void,
    invalid?: (received: ReceivedEvent) => void,
    ended?: () => void,
  ): StreamHandle {
    const event = find(name)
    const params = typeof args[0] === 'function' ? {} : (args.shift() as Values)
    const [handler, options = {}] = args as [Handler, (Options & OnOptions)?]
    const { onEnd } = options
    let live = true
    let isOver = false
    let release = () => {}
    const over = (error?: Error) => {
      // Whatever comes of a subscription that was ended here is nobody's business.
      if (isOver) return
      isOver = true
      release()
      ended?.()
      if (error && onEnd) guard(onEnd, report, [error])
    }
    const [source, end, drain] = attach(
      event,
      event.template.filter(params),
      options,
      isReplay && event.stream,
      (received, message) => live && deliver(handler, received, message, event),
      (error, received) => {
        if (!live) return
        faults.onInvalid(error, received)
        invalid?.(received)
      },
      over,
    )
    const unsubscribe = () => {
      live = false
      over()
      end()
    }
    release = onAbort(options.signal, unsubscribe)
    return Object.assign(toSubscription(source, unsubscribe, drain), { [Symbol.dispose]: unsubscribe })
  }

  const call = (handler: Handler, received: ReceivedEvent, message: SourceMessage) =>
    guard(handler, faults.onError, [received], message.done)
  const close = () => transport.close()

  return {
    status: createStatus(transport),

    async publish(name: string, ...args: unknown[]) {
      const event = find(name)
      const [subject, data, options] = readArgs<PublishOptions>(event, args)
      return track(
        publishes,
        send<unknown>(event.schema, event, subject, data, options, (payload, headers) =>
          outbox || event.stream
            ? publishing((publish) => publish({ stream: !!event.stream, subject, payload, headers }, options))
            : transport.publish(subject, payload, { headers, signal: options.signal }),
        ),
      )
    },

    async request(name: string, ...args: unknown[]) {
      const event = find(name)
      const given = readArgs<RequestOptions>(event, args)
      return track(
        exchanges,
        requests((module) => module.request(parts, event, ...given)),
      )
    },

    subscribe(name: string, ...args: unknown[]) {
      const event = find(name)
      const filter = event.template.filter(takeParams(event, args))
      const options = (args[0] ?? {}) as Options
      return createEventStream<ReceivedEvent>(
        ({ push, end }) => attach(event, filter, options, event.stream, push, faults.onInvalid, end),
        options.buffer,
        options.signal,
      )
    },

    on: (name: string, ...args: unknown[]) => handle(name, args, true, call),

    latest(name: string, ...args: unknown[]) {
      const event = find(name)
      const params = takeParams(event, args)
      if (!event.stream) throw new SpanwireError('unsupported', `${name} has no stream.`)
      const values = new Map<string, ReceivedEvent>()
      const updates = new Listeners<ReceivedEvent>()
      const ended = Promise.withResolvers<void>()
      // Stores must know that there are no values any more, which no event says.
      const { onCleared, ...given } = (args[0] ?? {}) as { onCleared?: () => void }
      const options = {
        ...given,
        from: 'last-per-subject',
        // Between two values some may be missing; only those of another stream mean nothing any more.
        onGap({ reason }: Gap) {
          if (reason !== 'recreated') return
          values.clear()
          onCleared?.()
        },
      }
      const listener = (event: ReceivedEvent) => {
        values.set(event.subject, event)
        updates.tell(event, faults.onError)
      }
      const { live, unsubscribe } = handle(name, [params, listener, options], true, call, undefined, ended.resolve)
      return {
        ready: live,
        get: (of: string | Values) => values.get(typeof of === 'string' ? of : event.template.subject(of)),
        values: () => values,
        subscribe: (listener: Handler) => updates.add(listener),
        unsubscribe,
        [Symbol.asyncIterator]() {
          const reading = views(({ iterateLatest }) => iterateLatest(values, updates, ended.promise))
          return {
            next: async () => (await reading).next(),
            return: async () => (await reading).return(undefined),
            [Symbol.asyncIterator]() {
              return this
            },
          }
        },
        [Symbol.dispose]: unsubscribe,
      }
    },

    respond: (name: string, ...args: unknown[]) =>
      handle(
        name,
        args,
        false,
        (handler, received, _, event) => {
          if (received.reply !== undefined)
            track(
              exchanges,
              requests((module) => module.respond(parts, event, handler, received)).catch((error) =>
                faults.onError(error, received),
              ),
            )
        },
        (received) => {
          if (received.reply !== undefined)
            requests((module) => module.refuse(parts, received, 400, 'The request is invalid.')).catch(() => {})
        },
      ),

    presence: (channel: string, options?: PresenceOptions) =>
      presences(({ openPresence }) => openPresence(transport, channel, options)),

    async flush() {
      // Some of them may not have been handed to the transport yet.
      await Promise.allSettled(publishes)
      await transport.flush()
    },

    async drain() {
      await Promise.all([...drains].map((drain) => drain()))
      // Acknowledgements and answers come by subscriptions, which the transport ends first.
      await Promise.allSettled([...publishes, ...exchanges])
      await transport.drain()
    },

    close,
    [Symbol.asyncDispose]: close,
  }
}
