import { SpanwireError } from '../errors.ts'
import { onAbort } from '../transport/checks.ts'
import type { StreamSubscription } from './bus.ts'
import { type Source, toSubscription } from './source.ts'

const DONE = { done: true, value: undefined } as const

/** Events that wait to be read, in a bounded buffer. What feeds it. */
export interface EventSink<Event> {
  push(event: Event): void
  /** Nothing more comes; what waits can still be read. An error is thrown once, after that. */
  end(error?: Error): void
}

/**
 * Events to iterate over.
 * @param start begins the subscription; returns the source, and what ends it
 */
export function createEventStream<Event>(
  start: (sink: EventSink<Event>) => readonly [source: Source, unsubscribe: () => void, drain: () => Promise<void>],
  limit = 10_000,
  signal?: AbortSignal,
): StreamSubscription<Event> {
  const waiting: Array<PromiseWithResolvers<IteratorResult<Event, undefined>>> = []
  // The next to be read is the last of `ready`; when there is none, `fresh` is turned round.
  let ready: Event[] = []
  let fresh: Event[] = []
  /** An event was read, and no other was asked for since. */
  let reading = false
  let ended = false
  let fault: Error | undefined
  let release = () => {}

  const end = (error?: Error) => {
    if (ended) return
    ended = true
    release()
    fault = error
    for (const { resolve, reject } of waiting.splice(0)) {
      if (fault) reject(fault)
      else resolve(DONE)
      fault = undefined
    }
  }
  const [source, cancel, finish] = start({
    push(event) {
      if (ended) return
      const next = waiting.shift()
      if (next) {
        next.resolve({ done: false, value: event })
        if (waiting[0]) source.read?.()
        else reading = true
      } else if (ready.length + fresh.length < limit) {
        fresh.push(event)
      } else {
        cancel()
        end(new SpanwireError('slow-consumer', `${limit} events wait to be read: read faster, or set buffer.`))
      }
    },
    end,
  })
  const unsubscribe = () => {
    cancel()
    end()
    fault = undefined
    ready = fresh = []
  }
  release = onAbort(signal, unsubscribe)
  if (ended) release()

  const drain = async () => {
    await finish()
    end()
  }
  return Object.assign(toSubscription(source, unsubscribe, drain), {
    async next() {
      if (reading) source.read?.()
      if (!ready[0]) {
        ready = fresh.reverse()
        fresh = []
      }
      reading = !!ready[0]
      if (reading) return { done: false, value: ready.pop() as Event }
      if (fault) {
        const error = fault
        fault = undefined
        throw error
      }
      if (ended) return DONE
      const next = Promise.withResolvers<IteratorResult<Event, undefined>>()
      waiting.push(next)
      return next.promise
    },
    async return() {
      unsubscribe()
      return DONE
    },
    [Symbol.asyncIterator]() {
      return this
    },
    async [Symbol.asyncDispose]() {
      unsubscribe()
    },
  }) as StreamSubscription<Event>
}
