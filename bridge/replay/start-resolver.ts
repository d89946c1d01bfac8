import type { JetStreamApi, StreamState } from '../../sdk/jetstream/api.ts'
import type { StoredMessage } from '../../sdk/jetstream/jetstream-link.ts'
import { readLastPerSubject, resolveStart } from '../../sdk/jetstream/page.ts'
import type { ReplayStart } from '../../sdk/wire/replay-frames.ts'
import { missingFrom, type SequenceRanges } from '../../sdk/wire/sequence-ranges.ts'
import type { FairQueue } from '../budget/fair-queue.ts'
import { memoryOf, type Ring, type RingLimits } from './ring.ts'

/** How long all followers share an answer, in ms. */
const TTL = 250

/** Shares one request between followers that need the same answer at the same moment. */
export class Memo {
  readonly #answers = new Map<string, { readonly until: number; readonly answer: Promise<unknown> }>()
  #sweeping: ReturnType<typeof setTimeout> | undefined

  get<T>(key: string, ask: () => Promise<T>): Promise<T> {
    const now = Date.now()
    const known = this.#answers.get(key)
    if (known && known.until > now) return known.answer as Promise<T>
    const answer = ask()
    this.#answers.set(key, { until: now + TTL, answer })
    answer.catch(() => this.#answers.delete(key))
    // An answer may be a snapshot of several MiB, and must not stay until the next question.
    this.#sweeping ??= setTimeout(() => this.#sweep(), 2 * TTL)
    return answer
  }

  clear(): void {
    this.#answers.clear()
  }

  #sweep(): void {
    const now = Date.now()
    for (const [key, { until }] of this.#answers) if (until <= now) this.#answers.delete(key)
    this.#sweeping = this.#answers.size > 0 ? setTimeout(() => this.#sweep(), 2 * TTL) : undefined
  }
}

/** The last message of each subject, by sequence. Followers share it until all of them have read it. */
export class Snapshot {
  readonly messages: readonly StoredMessage[]
  /** The sequence after which the replay continues. */
  readonly upTo: number
  readonly #bytes: number
  /** Followers that have not read all of it. */
  followers = 0

  constructor(messages: readonly StoredMessage[], upTo: number) {
    this.messages = messages
    this.upTo = upTo
    this.#bytes = messages.reduce((sum, message) => sum + memoryOf(message), 0)
  }

  /** Memory, divided by its followers, in bytes. */
  get share(): number {
    return this.#bytes / Math.max(1, this.followers)
  }
}

/** The position in a stream where a replay begins. */
export interface ResolvedStart {
  /** State of the stream. If its epoch is not the known one, the other fields do not count. */
  readonly state: StreamState
  /** The first sequence that may be delivered. */
  readonly next: number
  /** Sequences that were missing already. They are not reported as a gap. */
  readonly exempt?: SequenceRanges
  /** Messages to deliver first. */
  readonly snapshot?: Snapshot
}

/** A follower's question. */
export interface StartQuery {
  readonly start: ReplayStart
  /** State of the stream, as the feed knows it. */
  readonly known: StreamState
  /** Recent messages of the feed. */
  readonly ring: Pick<Ring, 'floor' | 'head'>
  /** The API in the name of the follower's user. */
  readonly api: JetStreamApi
  /** That user. */
  readonly user: string
}

/** Services of {@link StartResolver}. */
export interface StartServices {
  /** Bounds of a snapshot. */
  readonly snapshot: RingLimits
  /** Snapshots that are being read, of all filters. Each takes memory before it can be counted. */
  readonly snapshots: FairQueue
}

/** Finds the first sequence of replays of one filter. */
export class StartResolver {
  readonly #filter: string
  readonly #services: StartServices
  readonly #memo = new Memo()
  /** The last snapshot, while a follower reads it. */
  #snapshot: Snapshot | undefined

  constructor(filter: string, services: StartServices) {
    this.#filter = filter
    this.#services = services
  }

  /** Drops cached answers, which are about another stream. */
  clear(): void {
    this.#memo.clear()
    this.#snapshot = undefined
  }

  /** The state of the stream, at most 250 ms old. */
  freshState(api: JetStreamApi, known: StreamState): Promise<StreamState> {
    return this.#memo.get('state', async () => (await api.streamState(known.name, { deleted: true })) ?? known)
  }

  /** @throws SpanwireError (as rejection) `payload-too-large` for a snapshot over the limits, or as {@link JetStreamApi} */
  async resolve(query: StartQuery): Promise<ResolvedStart> {
    const { start, known, ring, api } = query
    const { head } = ring
    if (start.at === 'new') return { state: known, next: head + 1 }
    // Most clients resume with recent messages. That needs no request to the broker.
    if (start.at === 'seq' && start.seq <= Math.max(known.lastSeq, head) + 1) return { state: known, next: start.seq }
    const fresh = await this.freshState(api, known)
    if (fresh.epoch !== known.epoch) return { state: fresh, next: 0 }
    const state = { ...fresh, lastSeq: Math.max(fresh.lastSeq, head) }
    if (start.at === 'seq') return { state, next: start.seq }
    const exempt = exemptOf(fresh)
    if (start.at === 'last-per-subject') {
      const snapshot = await this.#snapshotOf(query, state)
      return { state, next: snapshot.messages[0]?.seq ?? snapshot.upTo + 1, exempt, snapshot }
    }
    const key = `${JSON.stringify(start)} ${head}`
    const next = await this.#memo.get(key, () => resolveStart(api, state, this.#filter, start))
    return { state, next, exempt }
  }

  /** One that is in use is used again if the feed has all messages since: its followers get them after it. */
  #snapshotOf({ ring, api, user }: StartQuery, state: StreamState): Promise<Snapshot> {
    const known = this.#snapshot
    if (known && known.followers > 0 && known.upTo >= ring.floor - 1) return Promise.resolve(known)
    return this.#memo.get('snapshot', async () => {
      const { snapshots, snapshot: limits } = this.#services
      const { messages, upTo } = await snapshots.run(user, () => readLastPerSubject(api, state, this.#filter, limits))
      this.#snapshot = new Snapshot(messages, upTo)
      return this.#snapshot
    })
  }
}

const exempts = new WeakMap<StreamState, SequenceRanges>()

/** Sequences that a stream has lost. Followers of one moment share the list, which may be long. */
function exemptOf(state: StreamState): SequenceRanges {
  const ranges = exempts.get(state) ?? missingFrom(state)
  exempts.set(state, ranges)
  return ranges
}
