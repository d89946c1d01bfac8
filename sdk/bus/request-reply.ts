/** Requests and their answers: loaded with the first of either. Errors travel as in NATS ADR-32 (service API). */
import type { PublishOptions, RequestOptions } from '../contract/bus.ts'
import type { ContractEvent } from '../contract/contract.ts'
import { EventHeaders } from '../contract/event-headers.ts'
import type { ReceivedEvent } from '../contract/received-event.ts'
import type { StandardSchema } from '../contract/standard-schema.ts'
import { validate } from '../contract/validate.ts'
import { checkSubject } from '../transport/checks.ts'
import type { Transport } from '../transport/transport.ts'
import { decode } from '../wire/bytes.ts'
import { isSpanwireError, SpanwireError } from '../wire/errors.ts'
import type { HeaderFields } from '../wire/header-fields.ts'
import type { Faults } from './receiver.ts'

const CODE_HEADER = 'Nats-Service-Error-Code'
const MESSAGE_HEADER = 'Nats-Service-Error'
/** Answer to a request whose responder failed with an error that is not meant for the requester. */
export const FAILED = 'The responder failed.'
/** Answer to a request whose data is not valid. */
export const INVALID = 'The request is invalid.'

/** Data on its way to a subject. */
export interface Outgoing extends Pick<ContractEvent, 'codec' | 'version'> {
  readonly schema: StandardSchema | undefined
  readonly subject: string
  readonly data: unknown
  readonly options: PublishOptions
}

/** Validates and encodes data, adds id and time, and calls `go`. May throw. */
export type Send = <T>(outgoing: Outgoing, go: (payload: Uint8Array, headers: HeaderFields) => Promise<T>) => Promise<T>

/** The parts of a bus that requests and answers use. */
export interface BusParts {
  readonly transport: Transport
  readonly faults: Faults
  readonly send: Send
}

/** Publishes a request. Resolves with the data of the first answer. */
export async function request(
  { transport, send }: BusParts,
  outgoing: ContractEvent & Outgoing & { readonly options: RequestOptions },
): Promise<unknown> {
  const { name, stream, subject, codec, reply } = outgoing
  if (stream)
    throw new SpanwireError(
      'unsupported',
      `The stream would answer ${name} first: declare the event { stream: false }.`,
    )
  const { timeout = 5_000, signal } = outgoing.options
  const answer = await send(outgoing, (payload, headers) =>
    transport.request(subject, payload, { headers, timeout, signal }),
  )
  const answerHeaders = new EventHeaders(answer.headerBlock && decode(answer.headerBlock))
  if (answerHeaders.get(CODE_HEADER) !== undefined)
    throw new SpanwireError(
      'responder-failed',
      answerHeaders.get(MESSAGE_HEADER) || `The responder of ${subject} failed.`,
    )
  let data: unknown
  try {
    data = codec.decode(answer.payload)
  } catch (cause) {
    throw new SpanwireError('invalid-data', `The answer from ${subject} can't be decoded.`, { cause })
  }
  return validate(reply, data, subject)
}

/** Calls a handler with a request and publishes its result. Events without a reply subject are ignored. */
export async function respond(
  parts: BusParts,
  event: ContractEvent,
  handler: (event: ReceivedEvent) => unknown,
  received: ReceivedEvent,
): Promise<void> {
  const { reply: subject } = received
  if (subject === undefined) return
  try {
    const data = await handler(received)
    checkSubject(subject)
    await parts.send({ codec: event.codec, schema: event.reply, subject, data, options: {} }, (payload, headers) =>
      parts.transport.publish(subject, payload, { headers }),
    )
  } catch (error) {
    // Only a message that is meant for the requester leaves this process.
    const isPublic = isSpanwireError(error, 'responder-failed')
    answerError(parts, received, 500, isPublic ? error.message : FAILED)
    if (!isPublic) throw error
  }
}

/** Like {@link respond}, but calls `onError` with an error of the handler. */
export const answer: typeof respond = (parts, event, handler, received) =>
  respond(parts, event, handler, received).catch((error) => parts.faults.onError(error, received))

/** Answers a request whose data is not valid. */
export function refuse(parts: BusParts, received: ReceivedEvent): void {
  answerError(parts, received, 400, INVALID)
}

/** Events without a reply subject are ignored. */
function answerError({ transport, faults }: BusParts, received: ReceivedEvent, code: number, message: string): void {
  const { reply } = received
  if (reply === undefined) return
  const headers = [
    [CODE_HEADER, String(code)],
    // A header value has no line ends.
    [MESSAGE_HEADER, message.replace(/[\0\t\n\r ]+/g, ' ')],
  ] as const
  transport.publish(reply, new Uint8Array(), { headers }).catch((error) => faults.onError(error, received))
}
