import { type Context, context, propagation, ROOT_CONTEXT, type SpanContext, SpanKind, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core'
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { eventually } from './eventually.ts'

/** The real OpenTelemetry SDK, set up as in an application. It records spans in memory. */
export interface Tracing extends Disposable {
  /** Waits until a span of each of these names has ended. Returns all spans that have ended. */
  ended(...names: string[]): Promise<ReadableSpan[]>
  /** All spans that have ended so far. */
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

/** Describes a span for comparison: its kind, its name and the name of its parent. */
export function shape(span: ReadableSpan, among: readonly ReadableSpan[]): string {
  const parent = among.find((other) => other.spanContext().spanId === span.parentSpanContext?.spanId)
  return `${SpanKind[span.kind]} ${span.name} < ${parent?.name ?? span.parentSpanContext?.spanId ?? 'nothing'}`
}

/** Creates a context of a remote parent. */
export function remote(span: Partial<SpanContext> = {}, base: Context = ROOT_CONTEXT): Context {
  const hex = (length: number) => crypto.randomUUID().replaceAll('-', '').slice(0, length)
  return trace.setSpanContext(base, { traceId: hex(32), spanId: hex(16), traceFlags: 1, isRemote: true, ...span })
}
