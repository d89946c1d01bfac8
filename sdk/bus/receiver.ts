import type { ContractEvent } from '../contract/contract.ts'
import { validate } from '../contract/validate.ts'
import { isSpanwireError, SpanwireError } from '../errors.ts'
import { ReceivedEvent } from './received-event.ts'
import type { SourceMessage } from './source.ts'

/** Hears what goes wrong with one event without ending anything. What these throw is written to the console. */
export interface Faults {
  /** An event that can't be decoded, or that the schema refuses; `event.data` is undefined in the first case. */
  readonly onInvalid: (error: SpanwireError, event: ReceivedEvent) => void
  /** A handler threw, or its promise was rejected. */
  readonly onError: (error: unknown, event: ReceivedEvent) => void
}

/** Decodes and validates messages, and hands them on in the order they came. */
export interface Receiver {
  receive(message: SourceMessage): void
  /** Resolves when everything received so far was handed on. */
  settled(): Promise<void>
}

/** Neither function may throw. */
export function createReceiver(
  event: ContractEvent,
  deliver: (event: ReceivedEvent, message: SourceMessage) => void,
  invalid: (error: SpanwireError, event: ReceivedEvent) => void,
): Receiver {
  /** While an asynchronous schema is at work: what came in waits behind it. */
  let tail: Promise<void> | undefined

  function take(message: SourceMessage, receivedAt: number): void | Promise<void> {
    const make = (data: unknown) => new ReceivedEvent(event, message, receivedAt, data)
    let data: unknown
    const refuse = (cause: unknown) => {
      const error = isSpanwireError(cause)
        ? cause
        : new SpanwireError('invalid-data', `${message.subject}: the data can't be read.`, { cause })
      invalid(error, make(data))
      message.done?.()
    }
    try {
      data = event.codec.decode(message.payload, message.text)
      const done = validate(event.schema, data, message.subject, (valid) => deliver(make(valid), message))
      return done instanceof Promise ? done.catch(refuse) : done
    } catch (error) {
      refuse(error)
    }
  }

  return {
    receive(message) {
      const now = Date.now()
      const pending = tail ? tail.then(() => take(message, now)) : take(message, now)
      if (!pending) return
      tail = pending
      void pending.then(() => {
        if (tail === pending) tail = undefined
      })
    },
    settled: async () => tail,
  }
}

/** Calls a handler; what it throws, now or later, goes to `onError`. Then `done`. */
export function guard<Args extends unknown[]>(
  call: (...args: Args) => unknown,
  onError: (error: unknown) => void,
  args: Args,
  done?: () => void,
): void {
  try {
    const result = call(...args)
    if (result instanceof Promise) return void result.catch(onError).then(done)
  } catch (error) {
    onError(error)
  }
  done?.()
}
