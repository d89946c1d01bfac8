// Publishes an order in a new span, and prints the resulting trace. The test reads the last line.
import { context, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'

const exporter = new InMemorySpanExporter()
trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
propagation.setGlobalPropagator(new W3CTraceContextPropagator())

const { bus } = await import('./traces.ts')
const chat = bus.subscribe('chat.{room}.message', { room: 'orders' })
await chat.ready
await trace.getTracer('page').startActiveSpan('click', async (span) => {
  await bus.publish('orders.{orderId}.created', { orderId: '7' }, { total: 12 })
  span.end()
})
for await (const { data } of chat) if (data.text === '7 came to 12') break
// The handler's span ends after its publish.
await bus.drain()
await new Promise((resolve) => setImmediate(resolve))
const spans = exporter.getFinishedSpans().map((span) => ({ name: span.name, trace: span.spanContext().traceId }))
console.log(JSON.stringify(spans))
