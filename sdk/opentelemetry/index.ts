/**
 * Spanwire in OpenTelemetry's traces: a bus whose events carry the trace they belong to. Needs the package
 * `@opentelemetry/api`; what is recorded, and where it goes, is what the application has registered with it.
 */
export { contextOf } from './propagation.ts'
export { type TracedOptions, traced, tracedHandler } from './traced.ts'
