import type { StreamHandle, SubscribeOptions } from '../contract/bus.ts'
import type { ContractEvent } from '../contract/contract.ts'
import type { ReceivedEvent } from '../contract/received-event.ts'
import { type Source, type SourceMessage, toSource } from '../contract/subscription-source.ts'
import type {
  ParamValues,
  UntypedLatestOptions,
  UntypedOnOptions,
  UntypedSubscribeOptions,
} from '../contract/untyped-bus.ts'
import { DISPOSE } from '../kit/dispose.ts'
import { guard, report } from '../kit/guard.ts'
import { type Lazy, loadUntil } from '../kit/lazy.ts'
import { closedError, onAbort } from '../transport/checks.ts'
import type { SubscriptionHandler, Transport } from '../transport/transport.ts'
import { createReceiver, type Faults, sources } from './receiver.ts'

/** Receives the events of one subscription. None of these may throw. */
export interface EventSink {
  /** Called with an event, or with the removal of the last event of a subject. */
  push(event: ReceivedEvent, message: SourceMessage): void
  /** Called after `onInvalid` with an event that cannot be decoded or that the schema refuses. */
  invalid?(event: ReceivedEvent): void
  /** The subscription ended. No more events follow. May be called more than once. */
  end?(error?: Error): void
  /** A module that must be loaded before the first event. */
  readonly needs?: Lazy<unknown>
}

/** Options of {@link Subscriber.attach}. */
export interface AttachOptions
  extends UntypedOnOptions,
    UntypedSubscribeOptions,
    Pick<UntypedLatestOptions, 'onCleared'> {
  /** The last event of each subject. The subscription begins with them, and clears them when they are not valid. */
  readonly values?: Map<string, ReceivedEvent>
}

/** The subscriptions of one bus. */
export interface Subscriber {
  /** Subscribes to one event or to several of one stream. Ends with the options' signal and calls their `onEnd`. */
  attach(events: readonly ContractEvent[], params: ParamValues, options: AttachOptions, sink: EventSink): StreamHandle
  /** Ends all subscriptions after the events that are on their way were delivered. */
  drain(): Promise<unknown>
}

export function createSubscriber(
  transport: Transport,
  { onInvalid }: Faults,
  onGapOfBus: SubscribeOptions['onGap'],
): Subscriber {
  const drains = new Set<() => Promise<void>>()

  function attach(
    events: readonly ContractEvent[],
    params: ParamValues,
    options: AttachOptions,
    { push, invalid, end, needs }: EventSink,
  ): StreamHandle {
    const { queue, conflate, signal, values, onEnd, onGap = onGapOfBus } = options
    const [event] = events
    const filter = events.map(({ template }) => template.filter(params)).join(' ')
    // A lazy source would report it only once its module is loaded.
    if (transport.status.state === 'closed') throw closedError()
    let isLive = true
    let isOver = false
    let release: (() => void) | undefined
    let unwatch: (() => void) | undefined
    const { receive, settled } = createReceiver(
      event as ContractEvent,
      (received, message) => isLive && push(received, message),
      (error, received) => {
        if (!isLive) return
        onInvalid(error, received)
        invalid?.(received)
      },
    )
    const over = (error?: Error) => {
      // Errors after `unsubscribe` concern nothing that is still used.
      if (isOver) return
      isOver = true
      release?.()
      drains.delete(drain)
      unwatch?.()
      end?.(error)
      if (error && onEnd) guard(onEnd, report, [error])
    }
    const handler: SubscriptionHandler = { message: receive, ended: over }
    const subscribe = () => transport.subscribe(filter, handler, { queue })
    // A first token with a wildcard also matches schedules, which are not events.
    const isSpecial = !event || events[1] || event.stream || conflate || values || /^[*>]/.test(filter)
    const opening = isSpecial
      ? sources((module) => module.openSource(transport, events, filter, handler, { ...options, onGap }))
      : needs?.(subscribe)
    const source: Source = opening ? toSource(opening, handler) : subscribe()
    if (onGap && !isSpecial)
      loadUntil(
        sources,
        () => !isOver,
        (module) => {
          unwatch = module.watchInterruptions(transport, source, filter, onGap)
        },
      ).catch(report)
    const drain = async () => {
      await source.drain()
      await settled()
      over()
    }
    drains.add(drain)
    const unsubscribe = () => {
      isLive = false
      over()
      source.unsubscribe()
    }
    release = onAbort(signal, unsubscribe)
    // Events of the past may wait for an asynchronous schema, or for a module.
    const live = (source.live ?? source.ready).then(settled)
    live.catch(() => {})
    return {
      ready: source.ready,
      live,
      get cursor() {
        return source.cursor
      },
      unsubscribe,
      drain,
      [DISPOSE]: unsubscribe,
    }
  }

  return { attach, drain: () => Promise.all([...drains].map((drain) => drain())) }
}
