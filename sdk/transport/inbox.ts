import { randomToken } from '../bus/event-id.ts'
import { SpanwireError } from '../errors.ts'
import { parseHeaders } from '../protocol/headers.ts'
import type { TransportMessage } from './transport.ts'

/** A place for one answer. */
export interface Awaited {
  readonly reply: string
  readonly answered: Promise<TransportMessage>
  /** The server has the request: if the connection is lost now, the answer is lost with it. */
  sent(): void
  fail(error: SpanwireError): void
}

interface Waiting {
  sent: boolean
  answer(message: TransportMessage): void
  fail(error: SpanwireError): void
}

/** Requests that wait for an answer. All answers come in through one subscription, to {@link filter}. */
export class Inbox {
  /** Nobody who doesn't know the token can listen in; 131 bits. */
  readonly #prefix = `_INBOX.${randomToken(22)}.`
  readonly filter: string = `${this.#prefix}*`
  readonly #waiting = new Map<string, Waiting>()
  #count = 0

  /** Makes a place for the answer to a request to `subject`. */
  open(subject: string): Awaited {
    const reply = this.#prefix + (++this.#count).toString(36)
    const { promise, resolve, reject } = Promise.withResolvers<TransportMessage>()
    const settle = () => this.#waiting.delete(reply)
    const fail = (error: SpanwireError) => {
      settle()
      reject(error)
    }
    const answer = (message: TransportMessage) => {
      if (isNoResponders(message)) return fail(noResponders(subject))
      settle()
      resolve(message)
    }
    const waiting = { sent: false, answer, fail }
    const sent = () => {
      waiting.sent = true
    }
    this.#waiting.set(reply, waiting)
    return { reply, answered: promise, sent, fail }
  }

  /** A message that came in; one nobody waits for any more is dropped. */
  message(message: TransportMessage): void {
    this.#waiting.get(message.subject)?.answer(message)
  }

  /** Gives up on all, or on those that the server has. */
  failAll(error: SpanwireError, sentOnly?: boolean): void {
    for (const { sent, fail } of [...this.#waiting.values()]) if (sent || !sentOnly) fail(error)
  }
}

/** Whether it is nats-server's word that nobody listens: a 503 status without payload. */
function isNoResponders({ headerBlock, payload }: TransportMessage): boolean {
  if (!headerBlock || payload.length > 0) return false
  try {
    return parseHeaders(headerBlock).status === 503
  } catch {
    return false
  }
}

export function noResponders(subject: string): SpanwireError {
  return new SpanwireError('no-responders', `Nobody answers requests to ${subject} right now.`)
}
