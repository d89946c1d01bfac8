import type { ContractEvent } from '../contract/contract.ts'
import { ReceivedEvent } from '../contract/received-event.ts'
import type { SourceMessage } from '../contract/subscription-source.ts'
import { validate } from '../contract/validate.ts'
import { isThenable } from '../kit/kinds.ts'
import { type Lazy, lazy } from '../kit/lazy.ts'
import { decode } from '../wire/bytes.ts'
import { isSpanwireError, SpanwireError } from '../wire/errors.ts'
import { VERSION_HEADER } from '../wire/header-names.ts'

// Not part of the first load: many pages subscribe only to events without a stream, of one version.
/** Subscriptions to events with a stream, and events of other versions. */
export const sources: Lazy<typeof import('./sources.ts')> = lazy(() => import('./sources.ts'))

/** Receives errors of single events. Errors that its functions throw are written to the console. */
export interface Faults {
  /** Called with an event that cannot be decoded (then `event.data` is undefined) or that the schema refuses. */
  readonly onInvalid: (error: SpanwireError, event: ReceivedEvent) => void
  /** Called when a handler throws or its promise is rejected. */
  readonly onError: (error: unknown, event: ReceivedEvent) => void
}

/** Decodes and validates messages, and delivers them in their order. */
export interface Receiver {
  /** Processes a message. */
  receive(message: SourceMessage): void
  /** Resolves when all messages received so far were delivered. */
  readonly settled: () => Promise<void>
}

/** The functions must not throw. */
export function createReceiver(
  event: ContractEvent,
  deliver: (event: ReceivedEvent, message: SourceMessage) => void,
  invalid: (error: SpanwireError, event: ReceivedEvent) => void,
): Receiver {
  /** Set while an asynchronous schema validates. Later messages wait. */
  let tail: Promise<void> | undefined

  const hand = (message: SourceMessage, data: unknown) =>
    deliver(new ReceivedEvent(message.event ?? event, message, data), message)

  const refuse = (message: SourceMessage, data: unknown, cause: unknown) => {
    const error = isSpanwireError(cause)
      ? cause
      : new SpanwireError('invalid-data', `The data of ${message.subject} can't be decoded.`, { cause })
    invalid(error, new ReceivedEvent(message.event ?? event, message, data))
    message.done?.()
  }

  function take(message: SourceMessage): void | Promise<void> {
    if (message.removed) return hand(message, undefined)
    const own = message.event ?? event
    const { codec, schema, version } = own
    let data: unknown
    try {
      const text = codec.decodeText && message.text
      data = text === undefined ? codec.decode(message.payload) : codec.decodeText?.(text)
      const block = message.headerText || (message.headerBlock && decode(message.headerBlock))
      const valid =
        version || block?.includes(VERSION_HEADER)
          ? sources((module) => module.validateVersion(own, data, block, message.subject))
          : validate(schema, data, message.subject)
      if (!isThenable(valid)) return hand(message, valid)
      return Promise.resolve(valid)
        .then((later) => hand(message, later))
        .catch((error) => refuse(message, data, error))
    } catch (error) {
      refuse(message, data, error)
    }
  }

  return {
    receive(message) {
      const pending = tail ? tail.then(() => take(message)) : take(message)
      if (!pending) return
      tail = pending
      void pending.then(() => {
        if (tail === pending) tail = undefined
      })
    },
    settled: async () => tail,
  }
}
