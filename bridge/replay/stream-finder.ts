import type { JetStreamApi, StreamState } from '../../sdk/jetstream/api.ts'
import { isSpanwireError } from '../../sdk/wire/errors.ts'
import type { Upstream } from '../upstream/upstream.ts'

/** How long an answer is cached, in ms. */
const TTL = 10_000
/** Cached subjects. The cache is cleared beyond that number, which bounds its memory. */
const MAX_KNOWN = 10_000
/** Interval at which a pending question checks whether JetStream is available, in ms. */
const LOOK = 50

/** Finds the stream that captures a subject, for publishers that wait for its acknowledgement. */
export class StreamFinder {
  readonly #apiFor: (user: string) => JetStreamApi
  readonly #upstream: Upstream
  readonly #known = new Map<string, { readonly until: number; readonly found: Promise<StreamState | undefined> }>()

  /** @param apiFor the JetStream API in the name of a user */
  constructor(apiFor: (user: string) => JetStreamApi, upstream: Upstream) {
    this.#apiFor = apiFor
    this.#upstream = upstream
  }

  /**
   * The stream that captures `subject`, up to 10 s old. Undefined if there is none.
   * @throws SpanwireError (as rejection) if the broker is unavailable, as {@link JetStreamApi.findStream}
   */
  find(subject: string, user: string): Promise<StreamState | undefined> {
    if (!this.#upstream.info.jetstream) return Promise.resolve(undefined)
    const now = Date.now()
    const known = this.#known.get(subject)
    if (known && known.until > now) return known.found
    if (this.#known.size >= MAX_KNOWN) this.#known.clear()
    const found = this.#unlessDenied(this.#apiFor(user).findStream(subject)).catch((error) => {
      if (isSpanwireError(error, 'stream-not-found')) return undefined
      this.#known.delete(subject)
      throw error
    })
    this.#known.set(subject, { until: now + TTL, found })
    return found
  }

  /** Resolves with undefined if the upstream's user lost the permission: NATS does not answer it then. */
  #unlessDenied<Found>(asked: Promise<Found>): Promise<Found | undefined> {
    return new Promise((resolve, reject) => {
      const look = setInterval(() => {
        if (!this.#upstream.info.jetstream) resolve(undefined)
      }, LOOK)
      const stop = () => clearInterval(look)
      asked.then(resolve, reject).then(stop, stop)
    })
  }
}
