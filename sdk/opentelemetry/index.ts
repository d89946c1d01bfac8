/**
 * The entry `spanwire/opentelemetry`: a bus with tracing. Requires the package `@opentelemetry/api`. The application
 * registers a provider and a propagator with it.
 */
export { bridgeSpans, type SpanFactory, type StartedSpan } from './bridge-spans.ts'
export { contextOf } from './propagation.ts'
export { type TracedOptions, traced, tracedHandler } from './traced.ts'
