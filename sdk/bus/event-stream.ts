import type { StreamSubscription } from '../contract/bus.ts'
import { toSubscription } from '../contract/source.ts'
import { onAbort } from '../transport/checks.ts'
import { SpanwireError } from '../wire/errors.ts'
import type { Attached } from './subscriber.ts'

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
  start: (sink: EventSink<Event>) => Attached,
  limit = 10_000,
  signal?: AbortSignal,
): StreamSubscription<Event> {
  const arrived: Event[] = []
  /** How many wait to be read. */
  let waiting = 0
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
  const [source, cancel, finish] = start({
    push(event) {
      if (ended) return
      if (waiting < limit) {
        waiting++
        arrived.push(event)
        wake()
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
    waiting = arrived.length = 0
    fault = undefined
  }
  release = onAbort(signal, unsubscribe)

  async function* read(): AsyncGenerator<Event, undefined> {
    for (;;) {
      for (const event of arrived.splice(0)) {
        if (!waiting) return
        waiting--
        yield event
        source.read?.()
      }
      if (waiting) continue
      if (fault) throw fault
      if (ended) return
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  const reader = read()
  const stream: StreamSubscription<Event> = Object.assign(
    toSubscription(source, unsubscribe, async () => {
      await finish()
      end()
    }),
    {
      next: () => reader.next(),
      async return() {
        unsubscribe()
        return reader.return(undefined)
      },
      [Symbol.asyncIterator]: () => stream,
      async [Symbol.asyncDispose]() {
        unsubscribe()
      },
    },
  )
  return stream
}
