import type { JetStreamApi, StreamState } from '../../sdk/jetstream/api.ts'
import type { StoredMessage } from '../../sdk/jetstream/jetstream-link.ts'
import { readLastPerSubject, resolveStart } from '../../sdk/jetstream/page.ts'
import type { ReplayStart } from '../../sdk/wire/replay-frames.ts'
import { missingFrom, type SequenceRanges } from '../../sdk/wire/sequence-ranges.ts'
import type { RingLimits } from './ring.ts'

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

/** The last message of each subject, by sequence. `upTo` is the sequence after which the replay continues. */
export interface LastPerSubject {
  readonly messages: readonly StoredMessage[]
  readonly upTo: number
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
  readonly snapshot?: LastPerSubject
}

/** Finds the first sequence of replays of one filter. */
export class StartResolver {
  readonly #api: JetStreamApi
  readonly #filter: string
  readonly #limits: RingLimits
  readonly #memo = new Memo()

  /** @param limits limits of a `last-per-subject` snapshot */
  constructor(api: JetStreamApi, filter: string, limits: RingLimits) {
    this.#api = api
    this.#filter = filter
    this.#limits = limits
  }

  /** Drops cached answers, which are about another stream. */
  clear(): void {
    this.#memo.clear()
  }

  /** The state of the stream, at most 250 ms old. */
  freshState(known: StreamState): Promise<StreamState> {
    return this.#memo.get('state', async () => {
      return (await this.#api.streamState(known.name, { deleted: true })) ?? known
    })
  }

  /**
   * @param known state of the stream as the feed knows it
   * @param head last sequence that the feed has received
   * @throws SpanwireError (as rejection) `payload-too-large` for a snapshot over the limits
   */
  async resolve(start: ReplayStart, known: StreamState, head: number): Promise<ResolvedStart> {
    if (start.at === 'new') return { state: known, next: head + 1 }
    // Most clients resume with recent messages. That needs no request to the broker.
    if (start.at === 'seq' && start.seq <= Math.max(known.lastSeq, head) + 1) return { state: known, next: start.seq }
    const fresh = await this.freshState(known)
    if (fresh.epoch !== known.epoch) return { state: fresh, next: 0 }
    const state = { ...fresh, lastSeq: Math.max(fresh.lastSeq, head) }
    if (start.at === 'seq') return { state, next: start.seq }
    const exempt = missingFrom(state)
    if (start.at === 'last-per-subject') {
      const snapshot = await this.#memo.get('snapshot', () =>
        readLastPerSubject(this.#api, state, this.#filter, this.#limits),
      )
      return { state, next: snapshot.messages[0]?.seq ?? snapshot.upTo + 1, exempt, snapshot }
    }
    const key = `${JSON.stringify(start)} ${head}`
    const next = await this.#memo.get(key, () => resolveStart(this.#api, state, this.#filter, start))
    return { state, next, exempt }
  }
}
