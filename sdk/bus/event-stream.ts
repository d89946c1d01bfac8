import type { SourceMessage } from '../contract/subscription-source.ts'
import { ASYNC_DISPOSE } from '../kit/dispose.ts'
import { onAbort } from '../transport/checks.ts'
import { SpanwireError } from '../wire/errors.ts'

/** Fills the buffer of an event stream. */
export interface StreamSink<Event> {
  push(event: Event, message?: SourceMessage): void
  /** No more events follow. Events in the buffer can still be read. Then the error is thrown. */
  end(error?: Error): void
}

/**
 * An async iterator over a bounded buffer of events.
 * @param start begins the subscription. Its `drain` must call `end`
 * @param limit number of events that may wait to be read
 */
export function createEventStream<Event, Subscription extends { unsubscribe(): void }>(
  start: (sink: StreamSink<Event>) => Subscription,
  limit = 10_000,
  signal?: AbortSignal,
): Subscription & AsyncIterableIterator<Event, undefined> & AsyncDisposable {
  const arrived: Array<readonly [event: Event, message: SourceMessage | undefined]> = []
  let ended = false
  let fault: Error | undefined
  let release = () => {}
  let wake = () => {}

  const end = (error?: Error) => {
    if (ended) return
    ended = true
    fault = error
    release()
    wake()
  }
  const attached = start({
    push(event, message) {
      if (ended) return
      if (arrived.length < limit) {
        arrived.push([event, message])
        wake()
      } else {
        end(new SpanwireError('slow-consumer', `${limit} events wait to be read: set buffer.`))
        cancel()
      }
    },
    end,
  })
  const { unsubscribe: cancel } = attached
  const unsubscribe = () => {
    cancel()
    end()
    arrived.length = 0
    fault = undefined
  }
  release = onAbort(signal, unsubscribe)

  async function* read(): AsyncGenerator<Event, undefined> {
    for (;;) {
      const next = arrived.shift()
      if (next) {
        yield next[0]
        // The event was handled when the next one is requested.
        next[1]?.done?.()
      } else if (fault) throw fault
      else if (ended) return
      else
        await new Promise<void>((resolve) => {
          wake = resolve
        })
    }
  }
  const reader = read()
  const stream: Subscription & AsyncIterableIterator<Event, undefined> & AsyncDisposable = Object.assign(attached, {
    unsubscribe,
    next: () => reader.next(),
    async return() {
      unsubscribe()
      return reader.return(undefined)
    },
    [Symbol.asyncIterator]: () => stream,
    [ASYNC_DISPOSE]: async () => unsubscribe(),
  })
  return stream
}
