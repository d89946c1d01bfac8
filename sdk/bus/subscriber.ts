import type { StreamHandle, SubscribeOptions } from '../contract/bus.ts'
import type { ContractEvent } from '../contract/contract.ts'
import type { ReceivedEvent } from '../contract/received-event.ts'
import { type SourceMessage, toSource, toSubscription } from '../contract/source.ts'
import type { ParamValues, UntypedOnOptions, UntypedSubscribeOptions } from '../contract/untyped-bus.ts'
import { guard, report } from '../kit/guard.ts'
import { lazy, preload } from '../kit/lazy.ts'
import { closedError, onAbort } from '../transport/checks.ts'
import type { SubscriptionHandler, Transport } from '../transport/transport.ts'
import { createReceiver, type Faults } from './receiver.ts'

// Not part of the first load: many pages subscribe only to events without a stream.
const sources = lazy(() => import('./sources.ts'))

/** Receives the events of one subscription. None of these may throw. */
export interface EventSink {
  push(event: ReceivedEvent, message: SourceMessage): void
  /** Called after `onInvalid` with an event that cannot be decoded or that the schema refuses. */
  invalid?(event: ReceivedEvent): void
  /** The subscription ended. No more events follow. May be called more than once. */
  end?(error?: Error): void
}

/** A subscription with a sink. */
export type Attached = Omit<StreamHandle, typeof Symbol.dispose>

/** The subscriptions of one bus. */
export interface Subscriber {
  /** Subscribes with a sink. */
  attach(event: ContractEvent, filter: string, options: UntypedSubscribeOptions, sink: EventSink): Attached
  /** Subscribes with a sink. Ends with the options' signal and calls their `onEnd`. */
  handle(
    event: ContractEvent,
    params: ParamValues,
    options: UntypedOnOptions | undefined,
    sink: EventSink,
  ): StreamHandle
  /** Ends all subscriptions after the events that are on their way were delivered. */
  drain(): Promise<unknown>
}

/** Loads the module for events with a stream, before the network may be away. */
export function preloadReplay(): void {
  preload(sources)
}

export function createSubscriber(
  transport: Transport,
  { onInvalid }: Faults,
  onGapOfBus: SubscribeOptions['onGap'],
): Subscriber {
  const drains = new Set<() => Promise<void>>()

  function attach(
    event: ContractEvent,
    filter: string,
    options: UntypedSubscribeOptions,
    { push, invalid, end }: EventSink,
  ): Attached {
    // A lazy source would report it only once its module is loaded.
    if (transport.status.state === 'closed') throw closedError()
    let isLive = true
    let watching: Promise<(() => void) | undefined> | undefined
    const { receive, settled } = createReceiver(
      event,
      (received, message) => isLive && push(received, message),
      (error, received) => {
        if (!isLive) return
        onInvalid(error, received)
        invalid?.(received)
      },
    )
    const over = (error?: Error) => {
      drains.delete(drain)
      watching?.then((stop) => stop?.())
      end?.(error)
    }
    const handler: SubscriptionHandler = {
      message: receive,
      ended: over,
    }
    const { queue, conflate, onGap = onGapOfBus } = options
    const replays = event.stream && queue === undefined
    const source = replays
      ? toSource(
          sources(({ replay }) => replay(transport, filter, handler, { ...options, onGap })),
          handler,
        )
      : conflate
        ? toSource(
            sources(({ subscribeConflated }) => subscribeConflated(transport, filter, handler)),
            handler,
          )
        : transport.subscribe(filter, handler, { queue })
    if (onGap && !replays)
      watching = sources(({ watchInterruptions }) => watchInterruptions(transport, source, filter, onGap)).catch(report)
    const drain = async () => {
      await source.drain()
      await settled()
      over()
    }
    drains.add(drain)
    return toSubscription(
      source,
      () => {
        isLive = false
        over()
        source.unsubscribe()
      },
      drain,
    )
  }

  return {
    attach,

    handle(event, params, options = {}, sink) {
      const { signal, onEnd } = options
      let isOver = false
      let release = () => {}
      const over = (error?: Error) => {
        // Errors after `unsubscribe` concern nothing that is still used.
        if (isOver) return
        isOver = true
        release()
        sink.end?.()
        if (error && onEnd) guard(onEnd, report, [error])
      }
      const attached = attach(event, event.template.filter(params), options, { ...sink, end: over })
      const { unsubscribe } = attached
      release = onAbort(signal, unsubscribe)
      return Object.assign(attached, { [Symbol.dispose]: unsubscribe })
    },

    drain: () => Promise.all([...drains].map((drain) => drain())),
  }
}
