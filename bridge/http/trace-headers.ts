import type { HeaderFields } from '../../sdk/wire/header-fields.ts'

/** HTTP headers of traces. Sources: W3C Trace Context, W3C Baggage. */
export const TRACE_HEADERS = ['traceparent', 'tracestate', 'baggage'] as const

/**
 * Any version except `ff`. Ids of zeros are not valid. Later versions than 00 may have more fields, which are bounded here
 * because every receiver parses them. Source: W3C Trace Context, "traceparent Header".
 */
const TRACEPARENT =
  /^(?!ff)[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}(?:(?<!^00.{53})-[!-~]{0,200})?$/
/** Visible ASCII and spaces, up to the length that all systems must forward (W3C Trace Context, "tracestate Limits"). */
const TRACESTATE = /^[\t -~]{1,512}$/
/** Up to the length that all systems must forward (W3C Baggage, "Limits"). */
const BAGGAGE = /^[\t -~]{1,8192}$/

/**
 * The trace of a request, as headers of its event. This includes curl and edge functions with an instrumented `fetch`.
 * Headers that are not valid are ignored: no event is refused because of its trace.
 * @param header reads a header of the request
 * @param given headers of the event, which take precedence. `tracestate` is used only together with its `traceparent`
 */
export function readTraceHeaders(header: (name: string) => string | undefined, given: HeaderFields): HeaderFields {
  const names = new Set(given.map(([name]) => name.toLowerCase()))
  const read = (name: (typeof TRACE_HEADERS)[number], valid: RegExp): HeaderFields => {
    const value = names.has(name) ? undefined : header(name)
    return value !== undefined && valid.test(value) ? [[name, value]] : []
  }
  const parent = read('traceparent', TRACEPARENT)
  return [...parent, ...(parent.length > 0 ? read('tracestate', TRACESTATE) : []), ...read('baggage', BAGGAGE)]
}
