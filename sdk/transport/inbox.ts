import { randomToken } from '../bus/event-id.ts'
import { SpanwireError } from '../errors.ts'
import { parseHeaders } from '../protocol/headers.ts'
import type { TransportMessage } from './transport.ts'

/** A request that waits for its answer. */
export interface Asking extends PromiseWithResolvers<TransportMessage> {
  readonly reply: string
  /** The server has it: if the connection is lost now, the answer is lost with it. */
  sent: boolean
}

/** Requests that wait for an answer. All answers come in through one subscription, to {@link filter}. */
export class Inbox {
  /** Nobody who doesn't know the token can listen in; 131 bits. */
  readonly #prefix = `_INBOX.${randomToken(22)}.`
  readonly filter: string = `${this.#prefix}*`
  readonly #asking = new Map<string, Asking>()
  #count = 0

  ask(): Asking {
    const asking = { ...Promise.withResolvers<TransportMessage>(), reply: this.#prefix + this.#count++, sent: false }
    this.#asking.set(asking.reply, asking)
    return asking
  }

  /** Nobody waits any more. */
  forget({ reply }: Asking): void {
    this.#asking.delete(reply)
  }

  /** A message that came in; one nobody waits for is dropped. */
  message(message: TransportMessage): void {
    this.#asking.get(message.subject)?.resolve(message)
  }

  /** Gives up on all, or on those that the server has. */
  failAll(error: Error, sentOnly?: boolean): void {
    for (const { sent, reject } of this.#asking.values()) if (sent || !sentOnly) reject(error)
  }
}

/** @throws SpanwireError `no-responders` if the answer is nats-server's word that nobody listens (ADR-1) */
export function checkAnswer(answer: TransportMessage, subject: string): TransportMessage {
  if (answer.headerBlock && answer.payload.length === 0) {
    let status: number | undefined
    try {
      status = parseHeaders(answer.headerBlock).status
    } catch {
      // Not a header block: an answer all the same.
    }
    if (status === 503) throw noResponders(subject)
  }
  return answer
}

export function noResponders(subject: string): SpanwireError {
  return new SpanwireError('no-responders', `Nobody answers ${subject} right now.`)
}
