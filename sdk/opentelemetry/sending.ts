import { context, SpanKind, type Tracer, trace } from '@opentelemetry/api'
import type { RequestOptions, StreamPublishOptions } from '../contract/bus.ts'
import { SubjectTemplate } from '../contract/template.ts'
import { hasParams, type UntypedBus, type WithParamValues, withParams } from '../contract/untyped-bus.ts'
import { createIds } from '../kit/ids.ts'
import { creationContext, injected } from './propagation.ts'
import { attributesOf, describe, during } from './span.ts'

type SendOptions = StreamPublishOptions & RequestOptions

/** Calls a method of the bus in a span, with an event that carries its trace. */
export type Send = (
  operation: 'publish' | 'request',
  name: string,
  args: WithParamValues<[data: unknown, options?: SendOptions]>,
) => Promise<unknown>

export function createSend(bus: UntypedBus, tracer: Tracer): Send {
  const newId = createIds()
  const templates = new Map<string, SubjectTemplate>()

  function find(name: string): SubjectTemplate {
    let template = templates.get(name)
    if (!template) {
      template = new SubjectTemplate(name)
      templates.set(name, template)
    }
    return template
  }

  return async (operation, name, args) => {
    const template = attempt(() => find(name))
    // No contract has such a name. The bus throws the error.
    if (!template) return bus[operation](name, ...args)
    const [params, data, options] = withParams<[data: unknown, options?: SendOptions]>(name, args)
    const headers = options?.headers ?? []
    const own = creationContext(headers)
    const span = tracer.startSpan(`${operation} ${name}`, {
      // "PRODUCER if the context of the Send span is used as creation context, otherwise CLIENT": Messaging spans, "Span kind".
      kind: operation === 'publish' && !own ? SpanKind.PRODUCER : SpanKind.CLIENT,
      attributes: attributesOf(
        operation,
        name,
        attempt(() => template.subject(params ?? {})),
      ),
      links: own ? [{ context: own }] : [],
    })
    const active = trace.setSpan(context.active(), span)
    // The span records the id, so the bus must not choose another.
    const id = options?.id ?? (span.isRecording() ? newId() : undefined)
    describe(span, () => ({ id }))
    const given = { ...options, headers: own ? headers : [...headers, ...injected(active, headers)], ...(id && { id }) }
    return during(span, active, async () => {
      const result = await (hasParams(name)
        ? bus[operation](name, params, data, given)
        : bus[operation](name, data, given))
      if (operation === 'publish') describe(span, () => ({ seq: sequenceOf(result) }))
      return result
    })
  }
}

/** Publishes a batch in one span, with events that carry its trace. */
export function createSendAll(bus: UntypedBus, tracer: Tracer): UntypedBus['publishAll'] {
  return (events, options) => {
    const attributes = {
      'messaging.system': 'nats',
      'messaging.operation.name': 'publish',
      'messaging.operation.type': 'send',
      'messaging.batch.message_count': events.length,
    }
    const span = tracer.startSpan('publish batch', { kind: SpanKind.PRODUCER, attributes })
    const active = trace.setSpan(context.active(), span)
    const carried = events.map((event) => {
      const headers = event.headers ?? []
      return creationContext(headers) ? event : { ...event, headers: [...headers, ...injected(active, headers)] }
    })
    return during(span, active, async () => {
      const ack = await bus.publishAll(carried, options)
      describe(span, () => ({ seq: ack.seq }))
      return ack
    })
  }
}

/** The sequence of a stream's acknowledgement; undefined for an event without a stream. */
function sequenceOf(result: unknown): number | undefined {
  const { seq } = Object(result)
  return typeof seq === 'number' ? seq : undefined
}

/** Undefined if the bus will throw the same error. */
function attempt<T>(make: () => T): T | undefined {
  try {
    return make()
  } catch {
    return undefined
  }
}
