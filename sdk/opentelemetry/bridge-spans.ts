import { ROOT_CONTEXT, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api'
import { messageOf } from '../kit/error-text.ts'

/** A span of a bridge that has begun. */
export interface StartedSpan {
  /** The value of `traceparent` that makes it the parent of the next span. */
  readonly traceparent: string
  /** @param error the reason of a failure */
  end(error?: unknown): void
}

/** Spans of a bridge, as its option `spans` takes them. */
export interface SpanFactory {
  /** Begins a span of a sampled trace. */
  start(kind: 'publish' | 'deliver', subject: string, traceparent: string): StartedSpan
}

/**
 * Creates the option `spans` of a bridge. A sampled trace then shows `bridge publish` (from the message of a client until
 * NATS has confirmed it) and `bridge deliver` (from the message of NATS until it was handed to the sockets).
 *
 *     serve({ spans: bridgeSpans(), … })
 *
 * @param tracer default: the tracer `spanwire-bridge` of the registered provider
 */
export function bridgeSpans(tracer: Tracer = trace.getTracer('spanwire-bridge')): SpanFactory {
  return {
    start(kind, subject, traceparent) {
      const [, traceId = '', spanId = '', flags = '0'] = traceparent.split('-')
      const parent = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true }
      const attributes = { 'messaging.system': 'nats', 'messaging.destination.name': subject }
      const options = { kind: SpanKind.INTERNAL, attributes }
      const span = tracer.startSpan(`bridge ${kind}`, options, trace.setSpanContext(ROOT_CONTEXT, parent))
      const own = span.spanContext()
      return {
        // A sampler that drops this span must not end the trace of others.
        traceparent: span.isRecording() ? `00-${own.traceId}-${own.spanId}-${flags}` : traceparent,
        end(error) {
          if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: messageOf(error) })
          span.end()
        },
      }
    },
  }
}
