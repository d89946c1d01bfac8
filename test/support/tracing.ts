import { type Context, context, propagation, ROOT_CONTEXT, type SpanContext, SpanKind, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core'
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { eventually } from './eventually.ts'

/** The real OpenTelemetry, as an application sets it up; what it records stays here. */
export interface Tracing extends Disposable {
  /** Spans that have ended, once there is one by each of these names. */
  ended(...names: string[]): Promise<ReadableSpan[]>
  /** All spans that have ended by now. */
  readonly spans: ReadableSpan[]
  reset(): void
}

export function startTracing(): Tracing {
  const exporter = new InMemorySpanExporter()
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] })
  trace.setGlobalTracerProvider(provider)
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(
    new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] }),
  )
  return {
    ended: (...names) =>
      eventually(
        () => {
          const found = names.flatMap((name) => exporter.getFinishedSpans().find((span) => span.name === name) ?? [])
          return found.length === names.length ? found : undefined
        },
        { what: `spans ${names}` },
      ),
    get spans() {
      return exporter.getFinishedSpans()
    },
    reset: () => exporter.reset(),
    [Symbol.dispose]() {
      trace.disable()
      context.disable()
      propagation.disable()
    },
  }
}

/** A span as tests compare it: its kind and name, and the name of its parent. */
export function shape(span: ReadableSpan, among: readonly ReadableSpan[]): string {
  const parent = among.find((other) => other.spanContext().spanId === span.parentSpanContext?.spanId)
  return `${SpanKind[span.kind]} ${span.name} < ${parent?.name ?? span.parentSpanContext?.spanId ?? 'nothing'}`
}

/** A context that came from elsewhere. */
export function remote(span: Partial<SpanContext> = {}, base: Context = ROOT_CONTEXT): Context {
  const hex = (length: number) => crypto.randomUUID().replaceAll('-', '').slice(0, length)
  return trace.setSpanContext(base, { traceId: hex(32), spanId: hex(16), traceFlags: 1, isRemote: true, ...span })
}
