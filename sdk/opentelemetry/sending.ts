import { context, SpanKind, type Tracer, trace } from '@opentelemetry/api'
import type { Bus, PublishOptions, StreamAck } from '../contract/bus.ts'
import { SubjectTemplate } from '../contract/template.ts'
import { createIds } from '../kit/ids.ts'
import { creationContext, injected } from './propagation.ts'
import { attributesOf, describe, during } from './span.ts'

type Values = Readonly<Record<string, string>>

/** Calls the bus's method of that name, in a span, with an event that carries its trace. */
export type Send = (operation: 'publish' | 'request', name: string, args: unknown[]) => Promise<unknown>

export function createSend<Contract>(bus: Bus<Contract>, tracer: Tracer): Send {
  const plain = bus as unknown as Record<'publish' | 'request', (name: string, ...args: unknown[]) => Promise<unknown>>
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
    // No contract has such a name, and the bus says so.
    if (!template) return plain[operation](name, ...args)
    const [params, data, options] = (template.hasParams ? args : [{}, ...args]) as [Values, unknown, PublishOptions?]
    const headers = options?.headers ?? []
    const own = creationContext(headers)
    const span = tracer.startSpan(`${operation} ${name}`, {
      // "PRODUCER if the context of the Send span is used as creation context, otherwise CLIENT": Messaging spans, "Span kind".
      kind: operation === 'publish' && !own ? SpanKind.PRODUCER : SpanKind.CLIENT,
      attributes: attributesOf(
        operation,
        name,
        attempt(() => template.subject(params)),
      ),
      links: own ? [{ context: own }] : [],
    })
    const active = trace.setSpan(context.active(), span)
    // The bus would make an id, and nobody here would know it.
    const id = options?.id ?? (span.isRecording() ? newId() : undefined)
    describe(span, () => ({ id }))
    const given = { ...options, headers: own ? headers : [...headers, ...injected(active, headers)], ...(id && { id }) }
    return during(span, active, async () => {
      const result = await plain[operation](name, ...(template.hasParams ? [params, data, given] : [data, given]))
      if (operation === 'publish') describe(span, () => ({ seq: (result as StreamAck | undefined)?.seq }))
      return result
    })
  }
}

/** Undefined where the bus will say what is wrong. */
function attempt<T>(make: () => T): T | undefined {
  try {
    return make()
  } catch {
    return undefined
  }
}
