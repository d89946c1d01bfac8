/** Requests and their answers: loaded when the first is made. */

import type { PublishOptions, RequestOptions } from '../contract/bus.ts'
import type { ContractEvent } from '../contract/contract.ts'
import { EventHeaders } from '../contract/event-headers.ts'
import type { ReceivedEvent } from '../contract/received-event.ts'
import { validate } from '../contract/validate.ts'
import { checkSubject } from '../transport/checks.ts'
import type { Transport } from '../transport/transport.ts'
import { SpanwireError } from '../wire/errors.ts'
import type { Faults } from './receiver.ts'
import { readServiceError, serviceError } from './service-error.ts'

/** Validates and encodes data, gives it id and time, and hands it to `go`. May throw. */
export type Send = <T>(
  schema: ContractEvent['schema'] | undefined,
  event: ContractEvent,
  subject: string,
  data: unknown,
  options: PublishOptions,
  go: (payload: Uint8Array, headers: Array<readonly [string, string]>) => Promise<T>,
) => Promise<T>

/** What a bus has. */
export interface BusParts {
  readonly transport: Transport
  readonly faults: Faults
  readonly send: Send
}

/** Publishes a request, and reads the first answer. */
export async function request(
  { transport, send }: BusParts,
  event: ContractEvent,
  subject: string,
  data: unknown,
  options: RequestOptions,
): Promise<unknown> {
  if (event.stream)
    throw new SpanwireError(
      'unsupported',
      `The stream would answer ${event.name} first: give the event { stream: false }.`,
    )
  const { timeout = 5_000, signal } = options
  const answer = await send(event.schema, event, subject, data, options, (payload, headers) =>
    transport.request(subject, payload, { headers, timeout, signal }),
  )
  const failure = readServiceError(new EventHeaders(answer.headerBlock), subject)
  if (failure) throw failure
  let reply: unknown
  try {
    reply = event.codec.decode(answer.payload)
  } catch (cause) {
    throw new SpanwireError('invalid-data', `The answer from ${subject} can't be read.`, { cause })
  }
  return validate(event.reply, reply, subject)
}

/** Has `handler` answer a request. Rejects with what went wrong, unless the handler told the requester itself. */
export async function respond(
  parts: BusParts,
  event: ContractEvent,
  handler: (event: ReceivedEvent) => unknown,
  received: ReceivedEvent,
): Promise<void> {
  try {
    const data = await handler(received)
    const reply = received.reply as string
    checkSubject(reply)
    await parts.send(event.reply, event, reply, data, {}, (payload, headers) =>
      parts.transport.publish(reply, payload, { headers }),
    )
  } catch (error) {
    // What went wrong inside may be nobody else's business.
    const spoken = error instanceof SpanwireError && error.code === 'responder-failed'
    refuse(parts, received, 500, spoken ? error.message : 'The responder failed.')
    if (!spoken) throw error
  }
}

/** Answers a request with an error. */
export function refuse({ transport, faults }: BusParts, received: ReceivedEvent, code: number, message: string): void {
  transport
    .publish(received.reply as string, new Uint8Array(), { headers: serviceError(code, message) })
    .catch((error) => faults.onError(error, received))
}
