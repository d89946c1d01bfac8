import { type BatchItem, type BatchResult, type OpenBatch, openBatch } from '../../sdk/bus/atomic-batch.ts'
import { findStored } from '../../sdk/bus/stored-ids.ts'
import type { JetStreamApi } from '../../sdk/jetstream/api.ts'
import { randomToken } from '../../sdk/kit/ids.ts'
import type { Transport } from '../../sdk/transport/transport.ts'
import { isSpanwireError, SpanwireError } from '../../sdk/wire/errors.ts'
import { checkpointSubject, encodeCheckpoint, readCheckpoint, type StoredCheckpoint } from './checkpoint.ts'
import { createRelayBackoff, pauseFor, whenOpen } from './retry.ts'
import {
  Fenced,
  type LaneStore,
  Moved,
  type Stored,
  type StoreItem,
  type StoreOptions,
  type StorePart,
  Unprepared,
} from './store.ts'

/** The lane of a relay, and its stream. */
export interface BatchTarget {
  /** The stream that stores the lane. */
  readonly stream: string
  /** Name of the relay. */
  readonly relay: string
  /** Name of the lane, such as `orders/0`. */
  readonly lane: string
  /** Name of the process. */
  readonly owner: string
  /** See `ForeignSource.epoch`. */
  readonly epoch: string
  /** Whether one relay at a time has the lane. If so, a checkpoint guards each batch. */
  readonly exclusive: boolean
  /** See {@link LaneStore.depth}. nats-server takes 50 unfinished batches of a stream. */
  readonly depth: number
}

/** A batch that waits this long for its commit is sent again, in ms. nats-server drops it after 10 s. */
const STALE = 5_000

/**
 * Stores each part as one atomic batch. The last message of a batch is the lane's checkpoint. The stream accepts it only if
 * the last checkpoint of the lane is the one that this store expects. A batch is therefore stored once, even if it is sent
 * again, and a relay that lost the lane cannot store.
 *
 * The messages of the next part are sent while the stream commits this one, so that it does not wait for the relay.
 */
export class BatchStore implements LaneStore {
  readonly #transport: Transport
  readonly #api: JetStreamApi
  readonly #target: BatchTarget
  /** Name of this store. A process creates a store each time that it gets the lane. */
  readonly #owner: string
  readonly #subject: string
  readonly #options: StoreOptions
  /** The sequence of the lane's last checkpoint; 0 if there is none. */
  #last = 0
  /** Whether this store wrote the last checkpoint. */
  #isOwner = false
  /** Resolves when the latest part is stored. */
  #latest: Promise<unknown> = Promise.resolve()

  constructor(transport: Transport, api: JetStreamApi, target: BatchTarget, options: StoreOptions) {
    this.#transport = transport
    this.#api = api
    this.#target = target
    this.#owner = `${target.owner}.${randomToken(8)}`
    this.#subject = checkpointSubject(target.relay, target.lane)
    this.#options = options
  }

  get depth(): number {
    return this.#target.depth
  }

  async open(): Promise<number | undefined> {
    this.#latest = Promise.resolve()
    if (!this.#target.exclusive) return undefined
    const checkpoint = await this.#checkpoint()
    this.#last = checkpoint?.seq ?? 0
    this.#isOwner = false
    // A topic that was deleted and created again has the same positions for other messages.
    return checkpoint?.epoch === this.#target.epoch ? checkpoint.position : undefined
  }

  store(part: StorePart): Promise<Stored> {
    const stored = this.#store(part, this.#latest)
    this.#latest = stored
    return stored
  }

  async #store({ items, position }: StorePart, previous: Promise<unknown>): Promise<Stored> {
    const batch = randomToken(20)
    const { epoch, exclusive } = this.#target
    let left: readonly StoreItem[] = items
    let open = this.#transport.status.state === 'open' ? this.#send(left) : undefined
    const sentAt = performance.now()
    await previous
    if (performance.now() - sentAt > STALE) open = undefined
    const backoff = createRelayBackoff()
    for (;;) {
      const before = left.length
      await whenOpen(this.#transport, this.#options.signal)
      if (left.length === 0 && !exclusive) return { duplicates: items.length }
      const guard: BatchItem = {
        subject: this.#subject,
        headers: [['Nats-Expected-Last-Subject-Sequence', String(this.#last)]],
        payload: encodeCheckpoint({ owner: this.#owner, batch, epoch, position }),
      }
      open ??= this.#send(left)
      const result = await open.commit(exclusive ? guard : (left.at(-1) as BatchItem))
      open = undefined
      if (result.kind === 'stored') {
        this.#stored(result.seq)
        return { duplicates: items.length - left.length }
      }
      if (result.kind === 'disabled') throw new Unprepared('The stream does not allow atomic batches any more.')
      try {
        if (exclusive && (result.kind === 'conflict' || result.kind === 'unknown')) {
          const verdict = await this.#lookFor(batch, result.kind)
          if (verdict === 'stored') return { duplicates: items.length - left.length }
        } else if (result.kind === 'duplicate' || result.kind === 'unknown') {
          const stored = await findStored(this.#transport, left)
          left = left.filter((item) => !stored.has(item))
          // Two messages of the batch have the same id. The stream does not name them.
          if (result.kind === 'duplicate' && stored.size === 0) left = withoutRepetitions(left)
        }
        if (left.length < before) continue
      } catch (error) {
        if (!isSpanwireError(error)) throw error
        this.#options.waiting(error)
      }
      this.#options.waiting(errorOf(result))
      await pauseFor(backoff, this.#options.signal)
    }
  }

  /** Sends a batch without the message that commits it. */
  #send(items: readonly StoreItem[]): OpenBatch {
    return openBatch(this.#transport, this.#target.exclusive ? items : items.slice(0, -1))
  }

  #stored(seq: number): void {
    this.#last = seq
    this.#isOwner = true
    this.#options.waiting(undefined)
  }

  /** Finds out whether a batch without an acknowledgement was stored. */
  async #lookFor(batch: string, kind: 'conflict' | 'unknown'): Promise<'stored' | 'again'> {
    const checkpoint = await this.#checkpoint()
    if (checkpoint?.batch === batch) {
      this.#stored(checkpoint.seq)
      return 'stored'
    }
    const seq = checkpoint?.seq ?? 0
    if (seq === this.#last) return 'again'
    if (checkpoint && checkpoint.owner !== this.#owner) {
      if (this.#isOwner) throw new Fenced(this.#target.lane)
      throw new Moved()
    }
    // A limit of the stream, or a purge, removed the checkpoint.
    if (kind === 'conflict') this.#last = seq
    return 'again'
  }

  /** Reads the checkpoint. Tries again after errors that may pass. */
  async #checkpoint(): Promise<StoredCheckpoint | undefined> {
    const backoff = createRelayBackoff()
    for (;;) {
      try {
        await whenOpen(this.#transport, this.#options.signal)
        return await readCheckpoint(this.#api, this.#target.stream, this.#subject)
      } catch (error) {
        const isFinal = isSpanwireError(error, 'connection-closed') || isSpanwireError(error, 'permission-denied')
        if (isFinal || !isSpanwireError(error) || this.#options.signal.aborted) throw error
        this.#options.waiting(error)
      }
      await pauseFor(backoff, this.#options.signal)
    }
  }
}

function withoutRepetitions(items: readonly StoreItem[]): StoreItem[] {
  const seen = new Set<string>()
  return items.filter(({ id }) => {
    if (id === undefined) return true
    const isNew = !seen.has(id)
    seen.add(id)
    return isNew
  })
}

function errorOf(result: BatchResult): SpanwireError {
  if (result.kind === 'refused' || result.kind === 'unknown') return result.error
  return new SpanwireError('wrong-last-sequence', 'Another store wrote the checkpoint of the lane. It is read again.')
}
