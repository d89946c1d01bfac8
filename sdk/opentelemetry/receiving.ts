import { SpanKind, type Tracer, trace } from '@opentelemetry/api'
import type { ReceivedEvent } from '../contract/received-event.ts'
import { contextOf } from './propagation.ts'
import { attributesOf, describe, during } from './span.ts'

type Handler = (event: ReceivedEvent, ...more: unknown[]) => unknown

/** How the handlers of a subscription are traced. */
export interface Receiving {
  readonly tracer: Tracer
  readonly operation: 'process' | 'respond'
  /** Whether an event's handler begins a trace of its own, with a link to the event's. */
  readonly isLinked: (event: ReceivedEvent) => boolean
}

/** The arguments `params?, handler, options?` of a subscription, with the handler in a span. */
export function withSpans(how: Receiving, args: readonly unknown[]): unknown[] {
  const at = args.findIndex((arg) => typeof arg === 'function')
  const { queue } = (args[at + 1] ?? {}) as { queue?: string }
  return args.map((arg, index) => (index === at ? inSpans(how, arg as Handler, queue) : arg))
}

/** @param queue the queue group, or the consumer's name */
export function inSpans({ tracer, operation, isLinked }: Receiving, handler: Handler, queue?: string): Handler {
  return (event, ...more) => {
    const origin = contextOf(event)
    const creation = isLinked(event) ? trace.getSpanContext(origin) : undefined
    // Without its span, its baggage is left.
    const parent = creation ? trace.deleteSpan(origin) : origin
    const span = tracer.startSpan(
      `${operation} ${event.name}`,
      {
        kind: operation === 'respond' ? SpanKind.SERVER : SpanKind.CONSUMER,
        attributes: attributesOf(operation, event.name, event.subject, queue),
        links: creation ? [{ context: creation }] : [],
      },
      parent,
    )
    describe(span, () => ({ id: event.id, size: event.payload.byteLength, seq: event.seq }))
    return during(span, trace.setSpan(parent, span), () => handler(event, ...more))
  }
}
