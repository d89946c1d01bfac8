import { SpanwireError } from '../errors.ts'
import { onAbort } from '../transport/checks.ts'
import type { TransportSubscription } from '../transport/transport.ts'
import type { Subscription } from './bus.ts'

type Result<Event> = IteratorResult<Event, undefined>

const DONE: Result<never> = { done: true, value: undefined }

/** Events that wait to be read, in a bounded buffer. */
export class EventStream<Event> implements Subscription<Event> {
  readonly #source: TransportSubscription
  readonly #limit: number
  readonly #release: () => void
  #buffer: Event[] = []
  #head = 0
  #waiting: PromiseWithResolvers<Result<Event>>[] = []
  #ended = false
  /** Thrown once, after the events that came before it. */
  #error: Error | undefined

  /** @param start begins the subscription */
  constructor(
    start: (stream: EventStream<Event>) => TransportSubscription,
    limit: number = 10_000,
    signal?: AbortSignal,
  ) {
    this.#limit = limit
    this.#source = start(this)
    this.#release = onAbort(signal, () => this.unsubscribe())
    if (this.#ended) this.#release()
  }

  get ready(): Promise<void> {
    return this.#source.ready
  }

  push(event: Event): void {
    if (this.#ended) return
    const waiting = this.#waiting.shift()
    if (waiting) {
      waiting.resolve({ done: false, value: event })
    } else if (this.#buffer.length - this.#head >= this.#limit) {
      this.#source.unsubscribe()
      this.end(
        new SpanwireError(
          'slow-consumer',
          `More than ${this.#limit} events waited to be read: read faster, or give a larger buffer.`,
        ),
      )
    } else {
      this.#buffer.push(event)
    }
  }

  /** Nothing more comes. What is in the buffer can still be read. */
  end(error?: Error): void {
    if (this.#ended) return
    this.#ended = true
    this.#release?.()
    this.#error = error
    for (const waiting of this.#waiting.splice(0)) {
      if (this.#error) waiting.reject(this.#takeError())
      else waiting.resolve(DONE)
    }
  }

  async next(): Promise<Result<Event>> {
    if (this.#head < this.#buffer.length) {
      const value = this.#buffer[this.#head] as Event
      this.#buffer[this.#head++] = undefined as Event
      // Moved down now and then, so that a shift doesn't cost the length of the buffer.
      if (this.#head === this.#buffer.length || this.#head > 1_024) {
        this.#buffer = this.#buffer.slice(this.#head)
        this.#head = 0
      }
      return { done: false, value }
    }
    if (this.#error) throw this.#takeError()
    if (this.#ended) return DONE
    const waiting = Promise.withResolvers<Result<Event>>()
    this.#waiting.push(waiting)
    return waiting.promise
  }

  async return(): Promise<Result<Event>> {
    this.unsubscribe()
    return DONE
  }

  unsubscribe(): void {
    this.#source.unsubscribe()
    this.end()
    this.#error = undefined
    this.#buffer = []
    this.#head = 0
  }

  async drain(): Promise<void> {
    await this.#source.drain()
    this.end()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.unsubscribe()
  }

  #takeError(): Error | undefined {
    const error = this.#error
    this.#error = undefined
    return error
  }
}
