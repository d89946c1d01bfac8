import { type Tracer, trace } from '@opentelemetry/api'
import type { Bus } from '../contract/bus.ts'
import { typed, untyped } from '../contract/untyped-bus.ts'
import { inSpans, type Receiving, type TracedEvent, withSpans } from './receiving.ts'
import { createSend } from './sending.ts'

export interface TracedOptions {
  /** Makes the spans. Default: that of the registered provider, by the name `spanwire`. */
  readonly tracer?: Tracer
  /**
   * Where the span of an `on` handler belongs.
   *
   * - `child`: into the event's trace, below the span that published it.
   * - `link`: into a trace of its own, with a link to that span.
   * - `auto` (the default): `child`, but `link` for events of the past (`event.live` is false): a replay of last week's
   *   events would make last week's traces longer, each by a week.
   *
   * For more than one way, make more than one traced bus around the same bus. Answers to requests are always children:
   * somebody waits for them.
   * Source: OpenTelemetry's semantic conventions, Messaging spans, "Message creation context as parent of Process span".
   */
  readonly parent?: 'auto' | 'child' | 'link'
}

/**
 * The same bus, traced: events carry the trace in which they are published, and what their handlers do belongs to it.
 *
 *     const bus = traced(connect({ url, events, token }))
 *
 * - `publish` is a PRODUCER span `publish <event>` until it settles, `request` a CLIENT span `request <event>`. The
 *   application's propagator writes the trace into the event's headers, so it goes wherever the event goes, and waits
 *   where it waits. If `headers` of the call name a trace already, that one stays: nothing is added, and the span (CLIENT
 *   then) has a link to it.
 * - Handlers of `on` run in a CONSUMER span `process <event>`, those of `respond` in a SERVER span `respond <event>`, until
 *   the promise that they return is settled. What they publish by this bus belongs to the same trace (after an `await`, if
 *   the application's context manager follows promises, as Node's does). What they throw marks the span, and goes where
 *   it went before.
 * - `subscribe` and `latest` have no spans: see {@link contextOf}. The rest is passed on as it is.
 *
 * Spans have the event's name, subject and id, the queue group, the size of what was received, and the place in the stream
 * (`spanwire.stream.sequence`): no data, and no params that are in no subject. `error.type` is the code of a
 * {@link SpanwireError}, or another error's name. An error's message and stack are recorded, except of `invalid-data` and
 * `invalid-params`, which quote values; what an application's own errors say is the application's.
 *
 * Nothing is recorded until the application registers a provider, and nothing travels until it sets a propagator. A trace
 * that isn't sampled travels all the same.
 * Source: OpenTelemetry's semantic conventions, Messaging spans (Development, read in November 2026).
 */
export function traced<Contract>(bus: Bus<Contract>, options: TracedOptions = {}): Bus<Contract> {
  const plain = untyped(bus)
  const processing = toProcessing(options)
  const { tracer } = processing
  const send = createSend(plain, tracer)
  const responding: Receiving = { tracer, operation: 'respond', isLinked: () => false }
  return typed<Contract>({
    status: plain.status,
    publish: (name, ...args) => send('publish', name, args),
    request: (name, ...args) => send('request', name, args),
    on: (name, ...args) => plain.on(name, ...withSpans(processing, args)),
    respond: (name, ...args) => plain.respond(name, ...withSpans(responding, args)),
    subscribe: (name, ...args) => plain.subscribe(name, ...args),
    latest: (name, ...args) => plain.latest(name, ...args),
    presence: (channel, options) => plain.presence(channel, options),
    flush: () => plain.flush(),
    drain: () => plain.drain(),
    close: () => plain.close(),
    [Symbol.asyncDispose]: () => plain[Symbol.asyncDispose](),
  })
}

/**
 * A handler that runs in a span `process <event>`, as those of `on` do: for what is no bus, such as `consume` of
 * `spanwire/consumer`. Each attempt has a span of its own.
 *
 *     consume({ events: stored, connection: transport }, 'shop.{id}.paid', tracedHandler((e) => invoice(e.data)), { consumer: 'invoices' })
 */
export function tracedHandler<Event extends TracedEvent, More extends unknown[]>(
  handler: (event: Event, ...more: More) => unknown,
  options: TracedOptions & {
    /** The queue group or the consumer's name, for the span. */
    readonly group?: string
  } = {},
): (event: Event, ...more: More) => unknown {
  return inSpans(toProcessing(options), handler, options.group)
}

function toProcessing({ tracer = trace.getTracer('spanwire'), parent = 'auto' }: TracedOptions): Receiving {
  const isLinked = (event: TracedEvent) => parent === 'link' || (parent === 'auto' && event.live === false)
  return { tracer, operation: 'process', isLinked }
}
