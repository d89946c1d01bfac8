import type { StreamHandle, SubscribeOptions } from '../contract/bus.ts'
import type { ContractEvent } from '../contract/contract.ts'
import { ReceivedEvent } from '../contract/received-event.ts'
import { type Source, type SourceMessage, toSource, toSubscription } from '../contract/source.ts'
import type { ParamValues, UntypedOnOptions, UntypedSubscribeOptions } from '../contract/untyped-bus.ts'
import { guard } from '../kit/guard.ts'
import { lazy, preload } from '../kit/lazy.ts'
import { closedError, onAbort } from '../transport/checks.ts'
import type { SubscriptionHandler, Transport } from '../transport/transport.ts'
import { createReceiver, type Faults } from './receiver.ts'

// Not part of the first load: many pages subscribe only to events without a stream.
const replaying = lazy(() => import('../replay/replay.ts'))
const conflating = lazy(() => import('./conflated.ts'))
const interruptions = lazy(() => import('./interruptions.ts'))

/** Receives the events of one subscription. None of these may throw. */
export interface EventSink {
  push(event: ReceivedEvent, message: SourceMessage): void
  /** Called after `onInvalid` with an event that cannot be decoded or that the schema refuses. */
  invalid?(event: ReceivedEvent): void
  /** The subscription ended. No more events follow. */
  end?(error?: Error): void
}

/** A source of events with functions that end it. */
export type Attached = readonly [source: Source, unsubscribe: () => void, drain: () => Promise<void>]

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

/** Writes an error to the console. */
export function report(error: unknown, event?: unknown): undefined {
  console.error('spanwire:', event instanceof ReceivedEvent ? event.subject : undefined, error)
}

/** Loads the module for events with a stream, before the network may be away. */
export function preloadReplay(): void {
  preload(replaying)
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
    const over = () => {
      drains.delete(drain)
      watching?.then((stop) => stop?.())
    }
    const handler: SubscriptionHandler = {
      message: receive,
      ended(error) {
        over()
        end?.(error)
      },
    }
    const { queue, conflate, onGap = onGapOfBus } = options
    const replays = event.stream && queue === undefined
    const source = replays
      ? toSource(
          replaying(({ replay }) => replay(transport, filter, handler, { ...options, onGap })),
          handler,
        )
      : conflate
        ? toSource(
            conflating(({ subscribeConflated }) => subscribeConflated(transport, filter, handler)),
            handler,
          )
        : transport.subscribe(filter, handler, { queue })
    if (onGap && !replays)
      watching = interruptions(({ watchInterruptions }) => watchInterruptions(transport, source, filter, onGap)).catch(
        report,
      )
    const drain = async () => {
      await source.drain()
      await settled()
      over()
      end?.()
    }
    drains.add(drain)
    return [
      source,
      () => {
        isLive = false
        over()
        source.unsubscribe()
      },
      drain,
    ]
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
      const [source, end, drain] = attach(event, event.template.filter(params), options, { ...sink, end: over })
      const unsubscribe = () => {
        over()
        end()
      }
      release = onAbort(signal, unsubscribe)
      return Object.assign(toSubscription(source, unsubscribe, drain), { [Symbol.dispose]: unsubscribe })
    },

    drain: () => Promise.all([...drains].map((drain) => drain())),
  }
}
