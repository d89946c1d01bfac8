import type { ContractEvent } from '../contract/contract.ts'
import { validate } from '../contract/validate.ts'
import { isSpanwireError, SpanwireError } from '../errors.ts'
import type { TransportMessage } from '../transport/transport.ts'
import { ReceivedEvent } from './received-event.ts'

/** Hears what goes wrong with one event without ending anything. What these throw is written to the console. */
export interface Faults {
  /** An event that can't be decoded, or that the schema refuses; `event.data` is undefined in the first case. */
  readonly onInvalid: (error: SpanwireError, event: ReceivedEvent) => void
  /** A handler threw, or its promise was rejected. */
  readonly onError: (error: unknown, event: ReceivedEvent) => void
}

/** Decodes and validates messages, and hands them on in the order they came. */
export class Receiver {
  readonly #event: ContractEvent
  readonly #deliver: (event: ReceivedEvent) => void
  readonly #invalid: (error: SpanwireError, event: ReceivedEvent) => void
  /** While an asynchronous schema is at work: what came in waits behind it. */
  #tail: Promise<void> | undefined

  /** Neither function may throw. */
  constructor(
    event: ContractEvent,
    deliver: (event: ReceivedEvent) => void,
    invalid: (error: SpanwireError, event: ReceivedEvent) => void,
  ) {
    this.#event = event
    this.#deliver = deliver
    this.#invalid = invalid
  }

  receive(message: TransportMessage): void {
    const receivedAt = Date.now()
    const pending = this.#tail
      ? this.#tail.then(() => this.#process(message, receivedAt))
      : this.#process(message, receivedAt)
    if (!pending) return
    this.#tail = pending
    void pending.then(() => {
      if (this.#tail === pending) this.#tail = undefined
    })
  }

  /** Resolves when everything received so far was handed on. */
  async settled(): Promise<void> {
    await this.#tail
  }

  #process(message: TransportMessage, receivedAt: number): void | Promise<void> {
    const event = this.#event
    const make = (data: unknown) => new ReceivedEvent(event, message, receivedAt, data)
    let data: unknown
    const refuse = (cause: unknown) => {
      const error = isSpanwireError(cause)
        ? cause
        : new SpanwireError('invalid-data', `The data of ${message.subject} can't be read.`, { cause })
      this.#invalid(error, make(data))
    }
    try {
      data = event.codec.decode(message.payload)
      const done = validate(event.schema, data, message.subject, (valid) => this.#deliver(make(valid)))
      return done instanceof Promise ? done.catch(refuse) : done
    } catch (error) {
      refuse(error)
    }
  }
}

/** Calls a handler; what it throws, now or later, goes to `onError`. */
export function guard<Args extends unknown[]>(
  call: (...args: Args) => unknown,
  onError: (error: unknown) => void,
  ...args: Args
): void {
  try {
    const result = call(...args)
    if (result instanceof Promise) result.catch(onError)
  } catch (error) {
    onError(error)
  }
}
