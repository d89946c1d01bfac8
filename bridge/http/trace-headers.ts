import type { HeaderFields } from '../../sdk/wire/header-fields.ts'

/** Headers of HTTP by which traces travel. Sources: W3C Trace Context, W3C Baggage. */
export const TRACE_HEADERS = ['traceparent', 'tracestate', 'baggage'] as const

/**
 * Of any version but `ff`; ids of nothing but zeros are none. Version 00 ends here, later ones may go on: bounded, as no
 * version has more and every receiver would read it. Source: W3C Trace Context, "traceparent Header".
 */
const TRACEPARENT =
  /^(?!ff)[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}(?:(?<!^00.{53})-[!-~]{0,200})?$/
/** As much as everybody must carry (W3C Trace Context, "tracestate Limits"), in visible ASCII and blanks. */
const TRACESTATE = /^[\t -~]{1,512}$/
/** As much as everybody must carry (W3C Baggage, "Limits"). */
const BAGGAGE = /^[\t -~]{1,8192}$/

/**
 * The trace that a request belongs to, as headers for its event: so curl takes part, and an edge function whose fetch is
 * instrumented. What isn't valid is ignored: no event is refused for its trace.
 * @param header a header of the request
 * @param given the event's own headers, which win. `tracestate` belongs to its `traceparent`: both are taken, or neither
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
