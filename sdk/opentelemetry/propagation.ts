/** A trace's way into an event's headers and out of them, by whatever propagator the application has set. */
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

/** An event that was received. */
interface Received {
  readonly headers: EventHeaders
}

// Takes the event: where no propagator is set nobody reads its headers.
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
 * The context that an event came with, as the application's propagator reads it: its trace and its baggage. If it came
 * with none, or with one that can't be read, the root context; never the one that is active here, which belongs to
 * something else. Never throws.
 *
 * A span can't wrap the body of a loop. With `subscribe` and `latest` this is how one joins the event's trace:
 *
 *     for await (const e of bus.subscribe('orders.{orderId}.created')) {
 *       await context.with(contextOf(e), () => handle(e))
 *     }
 */
export function contextOf(event: { readonly headers: EventHeaders }): Context {
  return extract(event, received)
}

/** The trace that these headers name by themselves: in OpenTelemetry's words, a custom creation context. */
export function creationContext(headers: HeaderFields): SpanContext | undefined {
  const found = headers.length > 0 ? trace.getSpanContext(extract(headers, given)) : undefined
  return found && isSpanContextValid(found) ? found : undefined
}

/** What the propagator adds to `headers`. What stands there already it leaves alone. */
export function injected(from: Context, headers: HeaderFields): HeaderFields {
  const fields: Field[] = []
  try {
    propagation.inject(from, fields, added)
  } catch (error) {
    diag.warn('spanwire: the propagator failed; an event goes without its trace.', error)
    return []
  }
  return fields.filter((field) => isWritable(field) && !headers.some((other) => isNamed(other, field[0])))
}

/** A propagator must not stand in an event's way, whatever somebody wrote into the headers. */
function extract<Carrier>(carrier: Carrier, getter: TextMapGetter<Carrier>): Context {
  try {
    return propagation.extract(ROOT_CONTEXT, carrier, getter)
  } catch (error) {
    diag.warn("spanwire: the propagator failed; an event's trace is not continued.", error)
    return ROOT_CONTEXT
  }
}

/**
 * Metadata of baggage comes out as it came in. A line end that somebody put there would have every event refused that
 * a handler publishes.
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
