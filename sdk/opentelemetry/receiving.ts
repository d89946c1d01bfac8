import { SpanKind, type Tracer, trace } from '@opentelemetry/api'
import type { OnOptions } from '../contract/bus.ts'
import type { ReceivedEvent } from '../contract/received-event.ts'
import { type HandlerArgs, type ParamValues, readHandlerArgs } from '../contract/untyped-bus.ts'
import { contextOf } from './propagation.ts'
import { attributesOf, describe, during } from './span.ts'

/** The members of an event that its span describes. */
export type TracedEvent = Pick<ReceivedEvent, 'name' | 'subject' | 'id' | 'seq' | 'live' | 'payload' | 'headers'>

/** Traces the handlers of subscriptions. */
export interface Receiving {
  readonly tracer: Tracer
  readonly operation: 'process' | 'respond'
  /** Whether an event's handler begins a trace of its own, with a link to the event's trace. */
  readonly isLinked: (event: TracedEvent) => boolean
}

/** Wraps the handler among the arguments `params?, handler, options?` of a subscription. */
export function withSpans<Options extends OnOptions>(
  receiving: Receiving,
  args: HandlerArgs<ReceivedEvent, Options>,
): [params: ParamValues, handler: (event: ReceivedEvent) => unknown, options?: Options | undefined] {
  const [params, handler, options] = readHandlerArgs(args)
  return [params, inSpans(receiving, handler, options?.queue), options]
}

/**
 * Wraps a handler.
 * @param group the queue group or the consumer's name
 */
export function inSpans<Event extends TracedEvent, More extends unknown[]>(
  { tracer, operation, isLinked }: Receiving,
  handler: (event: Event, ...more: More) => unknown,
  group?: string,
): (event: Event, ...more: More) => unknown {
  return (event, ...more) => {
    const origin = contextOf(event)
    const creation = isLinked(event) ? trace.getSpanContext(origin) : undefined
    // Without the span, the baggage remains.
    const parent = creation ? trace.deleteSpan(origin) : origin
    const span = tracer.startSpan(
      `${operation} ${event.name}`,
      {
        kind: operation === 'respond' ? SpanKind.SERVER : SpanKind.CONSUMER,
        attributes: attributesOf(operation, event.name, event.subject, group),
        links: creation ? [{ context: creation }] : [],
      },
      parent,
    )
    describe(span, () => ({ id: event.id, size: event.payload.byteLength, seq: event.seq }))
    return during(span, trace.setSpan(parent, span), () => handler(event, ...more))
  }
}
