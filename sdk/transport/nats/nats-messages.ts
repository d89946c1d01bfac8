/** Messages and errors of the NATS clients, translated to and from Spanwire's. */
import { isSpanwireError, SpanwireError, type SpanwireErrorCode } from '../../wire/errors.ts'
import { encodeHeaders, type HeaderFields } from '../../wire/headers.ts'
import type { TransportMessage } from '../transport.ts'
import type { NatsMessageLike } from './nats-connection.ts'

/** Headers to send, as the clients accept them: all that they do with them is to call `encode`. */
export interface EncodedHeaders {
  readonly size: number
  /** Options of `publish` and `request`. */
  readonly options: { readonly headers?: never }
}

/** @throws SpanwireError `invalid-header` */
export function toNatsHeaders(headers: HeaderFields | undefined): EncodedHeaders {
  if (!headers || headers.length === 0) return { size: 0, options: {} }
  const block = encodeHeaders(headers)
  return { size: block.length, options: { headers: { encode: () => block } as never } }
}

export function toTransportMessage({ subject, reply, data, headers }: NatsMessageLike): TransportMessage {
  const plain = { subject, ...(reply && { reply }), payload: data, time: Date.now() }
  if (!headers) return plain
  const block: ClientHeaders = Object(headers)
  const { code = 0, description = '' } = block
  // The clients leave out a status without a description, such as 503 for a request without responders.
  return { ...plain, headerBlock: code > 0 && description === '' ? encodeHeaders([], code) : block.encode() }
}

/** The members that headers of the clients have, partly undeclared. */
interface ClientHeaders {
  readonly code?: number
  readonly description?: string
  encode(): Uint8Array
}

/** The members that errors of the clients may have. */
interface ClientError {
  readonly code?: unknown
  readonly name?: string
  readonly message?: string
  readonly cause?: { readonly name?: string }
  readonly chainedError?: { readonly message?: string }
}

export function isNoResponders(error: unknown): boolean {
  const { code, name = '', cause }: ClientError = Object(error)
  return String(code) === '503' || /^NoResponders/.test(name) || /^NoResponders/.test(cause?.name ?? '')
}

/** Error codes by the words of the clients' errors. The first match counts. */
const CODES: ReadonlyArray<readonly [words: RegExp, code: SpanwireErrorCode]> = [
  [/permission/i, 'permission-denied'],
  [/auth/i, 'authentication-failed'],
  [/timeout/i, 'timeout'],
  [/closed|draining/i, 'connection-closed'],
  [/refused/i, 'connection-refused'],
]

/** Returns an error of one of the clients as a {@link SpanwireError}. */
export function toSpanwireError(error: unknown): SpanwireError {
  if (isSpanwireError(error)) return error
  const { code, name, message, chainedError }: ClientError = Object(error)
  const words = `${name ?? ''} ${code ?? ''} ${message ?? ''}`
  const [, kind] = CODES.find(([pattern]) => pattern.test(words)) ?? []
  // The client's own message is often no more than CONNECTION_REFUSED. The chained one names the address.
  const text = [message || code || name, chainedError?.message].filter((part) => part).join(': ')
  return new SpanwireError(kind ?? 'connection-lost', `NATS: ${text}.`, { cause: error })
}
