/** Trace context in the headers of an event, by the propagator of the application. */
import {
  type Context,
  diag,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  type SpanContext,
  type TextMapGetter,
  type TextMapSetter,
  trace,
} from '@opentelemetry/api'
import type { EventHeaders } from '../contract/event-headers.ts'
import { encodeFields, type HeaderFields } from '../wire/header-fields.ts'

type Field = HeaderFields[number]

/** A received event. */
interface Received {
  readonly headers: EventHeaders
}

// The carrier is the event, so that its headers are parsed only with a propagator.
const received: TextMapGetter<Received> = {
  get({ headers }, name) {
    const values = headers.getAll(name)
    return values.length > 1 ? values : values[0]
  },
  keys: ({ headers }) => [...headers].map(([name]) => name),
}

const given: TextMapGetter<HeaderFields> = {
  get: (fields, name) => fields.find((field) => isNamed(field, name))?.[1],
  keys: (fields) => fields.map(([name]) => name),
}

const added: TextMapSetter<Field[]> = { set: (fields, name, value) => void fields.push([name, value]) }

/**
 * Returns the context of an event: its trace and baggage, as the application's propagator reads them. Without one, or if it
 * is malformed, returns the root context. It never throws.
 *
 * A span cannot wrap the body of a loop. With `subscribe` and `latest`, use this function to continue the event's trace.
 *
 * @example
 *     for await (const e of bus.subscribe('orders.{orderId}.created')) {
 *       await context.with(contextOf(e), () => handle(e))
 *     }
 */
export function contextOf(event: { readonly headers: EventHeaders }): Context {
  return extract(event, received)
}

/** Returns the trace that the application set in headers: OpenTelemetry's custom creation context. */
export function creationContext(headers: HeaderFields): SpanContext | undefined {
  const found = headers.length > 0 ? trace.getSpanContext(extract(headers, given)) : undefined
  return found && isSpanContextValid(found) ? found : undefined
}

/** Returns the headers that the propagator adds to `headers`, without names that exist already. */
export function injected(from: Context, headers: HeaderFields): HeaderFields {
  const fields: Field[] = []
  try {
    propagation.inject(from, fields, added)
  } catch (error) {
    diag.warn('spanwire: the propagator failed. An event is published without its trace.', error)
    return []
  }
  return fields.filter((field) => isWritable(field) && !headers.some((other) => isNamed(other, field[0])))
}

/** Errors of the propagator must not affect an event: its headers come from the publisher. */
function extract<Carrier>(carrier: Carrier, getter: TextMapGetter<Carrier>): Context {
  try {
    return propagation.extract(ROOT_CONTEXT, carrier, getter)
  } catch (error) {
    diag.warn("spanwire: the propagator failed. An event's trace is not continued.", error)
    return ROOT_CONTEXT
  }
}

/**
 * Whether a header can be encoded. Metadata of baggage is not escaped, so it may contain a line end, which would cause every
 * event that a handler publishes to be refused.
 */
function isWritable(field: Field): boolean {
  try {
    encodeFields([field])
    return true
  } catch {
    return false
  }
}

function isNamed([name]: Field, wanted: string): boolean {
  return name.toLowerCase() === wanted.toLowerCase()
}
