import { publishAcked } from '../../sdk/bus/publish-acked.ts'
import type { Transport } from '../../sdk/transport/transport.ts'
import { isSpanwireError } from '../../sdk/wire/errors.ts'
import { createRelayBackoff, pauseFor, whenOpen } from './retry.ts'
import type { LaneStore, Stored, StoreItem, StoreOptions, StorePart } from './store.ts'

/** The time for one attempt to store a message, in ms. */
const TIMEOUT = 20_000

/**
 * Stores messages one by one, each with its id. Messages of one subject are stored in order, subjects in parallel. The stream
 * drops duplicates within its duplicate window. For servers and streams without atomic batches.
 */
export class IdStore implements LaneStore {
  /** A subject's messages of the next part would overtake those of this one. */
  readonly depth = 1
  readonly #transport: Transport
  readonly #options: StoreOptions

  constructor(transport: Transport, options: StoreOptions) {
    this.#transport = transport
    this.#options = options
  }

  async open(): Promise<undefined> {
    return undefined
  }

  async store({ items }: StorePart): Promise<Stored> {
    let duplicates = 0
    const bySubject = Map.groupBy(items, ({ subject }) => subject)
    const stores = [...bySubject.values()].map(async (chain) => {
      for (const item of chain) if (await this.#put(item)) duplicates++
    })
    await Promise.all(stores)
    return { duplicates }
  }

  /** Stores a message. Returns whether it was a duplicate. */
  async #put({ subject, payload, headers, id }: StoreItem): Promise<boolean> {
    const { signal, waiting } = this.#options
    const backoff = createRelayBackoff()
    for (;;) {
      await whenOpen(this.#transport, signal)
      try {
        const options = { timeout: TIMEOUT, signal, ...(id !== undefined && { id }) }
        const { duplicate } = await publishAcked(this.#transport, { subject, payload, headers }, options)
        waiting(undefined)
        return duplicate
      } catch (error) {
        if (!isSpanwireError(error) || signal.aborted || error.code === 'connection-closed') throw error
        waiting(error)
      }
      await pauseFor(backoff, signal)
    }
  }
}
