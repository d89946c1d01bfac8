import { SpanKind, type Tracer, trace } from '@opentelemetry/api'
import type { Bus, OnOptions } from '../contract/bus.ts'
import type { ReceivedEvent } from '../contract/received-event.ts'
import { type HandlerArgs, type ParamValues, readHandlerArgs, typed, untyped } from '../contract/untyped-bus.ts'
import { ASYNC_DISPOSE } from '../kit/dispose.ts'
import { contextOf } from './propagation.ts'
import { createSend, createSendAll } from './sending.ts'
import { attributesOf, describe, during } from './span.ts'

/** Options of {@link traced}. */
export interface TracedOptions {
  /** Creates the spans. Default: the tracer `spanwire` of the registered provider. */
  readonly tracer?: Tracer
  /**
   * Parent of the span of an `on` handler.
   *
   * - `child`: the span belongs to the event's trace, below the span that published it.
   * - `link`: the span belongs to a new trace, with a link to that span.
   * - `auto` (the default): `child`, but `link` for events of the past (`event.live` is false). Otherwise a replay would
   *   extend the traces of the past until now.
   *
   * To use several values, create several traced buses around one bus. Spans of `respond` are always children, because the
   * requester waits for them.
   * Source: OpenTelemetry's semantic conventions, Messaging spans, "Message creation context as parent of Process span".
   */
  readonly parent?: 'auto' | 'child' | 'link'
}

/**
 * Returns a bus with tracing: its events carry the trace in which they are published, and their handlers continue it.
 *
 * - `publish` is a PRODUCER span `publish <event>` until it settles, `request` a CLIENT span `request <event>`. The
 *   propagator of the application adds the trace to the event's headers. If `headers` of the call contain a trace, it
 *   is not replaced. The span is then a CLIENT span with a link to that trace.
 * - `publishAll` is one PRODUCER span `publish batch`. Its events carry its trace, unless their headers have one.
 * - Handlers of `on` run in a CONSUMER span `process <event>`, handlers of `respond` in a SERVER span `respond <event>`,
 *   until their promise is settled. Events that they publish belong to the same trace. (After an `await`, this requires a
 *   context manager that follows promises, such as that of Node.) An error of a handler marks the span.
 * - `subscribe` and `latest` have no spans, see {@link contextOf}. Other methods are passed on.
 *
 * Spans have the name, subject and id of the event, the queue group, the size of the payload, and the sequence in the stream
 * (`spanwire.stream.sequence`). They do not have data, or params that are not in the subject. `error.type` is the code of a
 * {@link SpanwireError}, or the name of another error. Message and stack of an error are recorded, except for
 * `invalid-data` and `invalid-params`, whose messages contain values.
 *
 * Spans are recorded once the application has registered a provider, and propagated once it has set a propagator. A trace
 * that is not sampled is also propagated.
 * Source: OpenTelemetry's semantic conventions, Messaging spans (Development, read in November 2026).
 *
 * @example
 *     const bus = traced(connect({ url, events, token }))
 */
export function traced<Contract>(bus: Bus<Contract>, options: TracedOptions = {}): Bus<Contract> {
  const plain = untyped(bus)
  const processing = toProcessing(options)
  const { tracer } = processing
  const send = createSend(plain, tracer)
  const sendAll = createSendAll(plain, tracer)
  const responding: Receiving = { tracer, operation: 'respond', isLinked: () => false }
  return typed<Contract>({
    status: plain.status,
    publish: (name, ...args) => send('publish', name, args),
    request: (name, ...args) => send('request', name, args),
    on: (name, ...args) => plain.on(name, ...withSpans(processing, args)),
    respond: (name, ...args) => plain.respond(name, ...withSpans(responding, args)),
    subscribe: (name, ...args) => plain.subscribe(name, ...args),
    latest: (name, ...args) => plain.latest(name, ...args),
    publishAll: (events, options) => sendAll(events, options),
    forget: (name, ...args) => plain.forget(name, ...args),
    cancelSchedule: (name, id) => plain.cancelSchedule(name, id),
    presence: (channel, options) => plain.presence(channel, options),
    flush: () => plain.flush(),
    drain: () => plain.drain(),
    close: () => plain.close(),
    [ASYNC_DISPOSE]: () => plain[ASYNC_DISPOSE](),
  })
}

/**
 * Returns a handler that runs in a span `process <event>`, such as for `consume` of `spanwire/consumer`. Each attempt has
 * its own span.
 *
 * @example
 *     consume({ events: stored, connection: transport }, 'shop.{id}.paid', tracedHandler((e) => invoice(e.data)), { consumer: 'invoices' })
 */
export function tracedHandler<Event extends TracedEvent, More extends unknown[]>(
  handler: (event: Event, ...more: More) => unknown,
  options: TracedOptions & {
    /** Name of the queue group or the consumer, for the span. */
    readonly group?: string
  } = {},
): (event: Event, ...more: More) => unknown {
  return inSpans(toProcessing(options), handler, options.group)
}

function toProcessing({ tracer = trace.getTracer('spanwire'), parent = 'auto' }: TracedOptions): Receiving {
  const isLinked = (event: TracedEvent) => parent === 'link' || (parent === 'auto' && event.live === false)
  return { tracer, operation: 'process', isLinked }
}

/** The members of an event that its span describes. */
export type TracedEvent = Pick<ReceivedEvent, 'name' | 'subject' | 'id' | 'seq' | 'live' | 'payload' | 'headers'>

/** Traces the handlers of subscriptions. */
interface Receiving {
  readonly tracer: Tracer
  readonly operation: 'process' | 'respond'
  /** Whether an event's handler begins a trace of its own, with a link to the event's trace. */
  readonly isLinked: (event: TracedEvent) => boolean
}

/** Wraps the handler among the arguments `params?, handler, options?` of a subscription. */
function withSpans<Options extends OnOptions>(
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
function inSpans<Event extends TracedEvent, More extends unknown[]>(
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
