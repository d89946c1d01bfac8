/** Headers that a relay copies. */
import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { HeaderFields } from '../../sdk/wire/headers.ts'

/** Header with the places that a message passed, separated by commas. A relay does not send it to one of them again. */
export const RELAY_HEADER = 'Spanwire-Relay'
/** Header with the event's id, on messages of foreign brokers. */
export const FOREIGN_ID_HEADER = 'Spanwire-Id'

const ROUTE = RELAY_HEADER.toLowerCase()

/** Source: W3C Trace Context and W3C Baggage. */
const TRACE = ['traceparent', 'tracestate', 'baggage']
/** Names that are commands of JetStream. A copied `Nats-Rollup: all` would purge a stream. */
const RESERVED = /^(?:nats|spanwire)-/i
const NAME = /^[!-9;-~]+$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: line ends and NUL are refused
const BAD_VALUE = /[\u0000\r\n]/

/** Lower-case names of the headers that are copied. */
export type AllowedHeaders = ReadonlySet<string>

/**
 * Checks a declaration of headers.
 * @throws SpanwireError `invalid-argument` for a name that must not be copied
 */
export function allowHeaders(names: readonly string[]): AllowedHeaders {
  for (const name of names)
    if (!NAME.test(name) || RESERVED.test(name))
      throw new SpanwireError(
        'invalid-argument',
        `headers: ${JSON.stringify(name)} cannot be copied. Use visible ASCII without ":", and no name that begins with Nats- or Spanwire-.`,
      )
  return new Set(names.map((name) => name.toLowerCase()))
}

/**
 * Returns the headers to copy: trace headers and allowed headers.
 * @throws SpanwireError `invalid-header` for an allowed header whose value has line ends or NUL
 */
export function copyHeaders(given: HeaderFields, allowed: AllowedHeaders): Array<readonly [string, string]> {
  const copied: Array<readonly [string, string]> = []
  for (const field of given) {
    const name = field[0].toLowerCase()
    const isTrace = TRACE.includes(name)
    if ((!isTrace && !allowed.has(name)) || RESERVED.test(name)) continue
    if (!BAD_VALUE.test(field[1])) copied.push(field)
    else if (allowed.has(name))
      throw new SpanwireError('invalid-header', `The header ${JSON.stringify(field[0])} contains a line end or NUL.`)
  }
  return copied
}

/** Returns the places that a message passed. */
export function readRoute(headers: HeaderFields): readonly string[] {
  const value = headers.find(([name]) => name.length === RELAY_HEADER.length && name.toLowerCase() === ROUTE)?.[1]
  return value ? value.split(',') : []
}
