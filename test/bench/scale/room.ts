/** Members in one message between hubs. */
export const PAGE = 500
/** Time for which a hub collects changes before it reports them, in ms. */
export const GATHER = 100

/**
 * Rules of the messages between hubs.
 * - `answers`: `all` delivers an answer to every hub of the channel, `one` to the hub of the request.
 * - `asksAgain`: hubs request all members if a hub that had left the channel returns.
 */
export interface GossipRules {
  readonly answers: 'all' | 'one'
  readonly asksAgain: boolean
}

/** Rules of bridge/presence. */
export const CURRENT: GossipRules = { answers: 'one', asksAgain: false }
/** Rules of bridge/presence until November 2026. */
export const FORMER: GossipRules = { answers: 'all', asksAgain: true }

/** A message between hubs. */
export interface GossipMessage {
  readonly kind: 'ask' | 'answer' | 'change'
  /** Number of hubs to which NATS delivers it. */
  readonly receivers: number
  /** Number of members that it lists. */
  readonly listed: number
}

interface Follower {
  members: number
  /** Number of changes that it has published since it follows the channel. */
  n: number
  /** Last change of each other hub. */
  readonly counts: Map<number, number>
}

/**
 * The hubs of one presence channel, and the messages that they exchange. A model of bridge/presence/synced-channel.ts
 * without time: the caller decides when a hub has collected its changes.
 */
export class Room {
  readonly #rules: GossipRules
  readonly #publish: (message: GossipMessage) => void
  readonly #followers = new Map<number, Follower>()

  constructor(rules: GossipRules, publish: (message: GossipMessage) => void) {
    this.#rules = rules
    this.#publish = publish
  }

  /** Hubs with members. */
  get hubs(): Iterable<number> {
    return this.#followers.keys()
  }

  /** A client joins and watches the channel. Call {@link report} after that. */
  arrive(hub: number): void {
    let follower = this.#followers.get(hub)
    if (!follower) {
      follower = { members: 0, n: 0, counts: new Map() }
      this.#followers.set(hub, follower)
      this.#ask(hub)
    }
    follower.members++
  }

  /** A client leaves. Call {@link report} after that. */
  leave(hub: number): void {
    const follower = this.#followers.get(hub)
    if (follower) follower.members--
  }

  /** A hub publishes the changes that it has collected: `listed` members. */
  report(hub: number, listed = 1): void {
    const follower = this.#followers.get(hub)
    if (!follower) return
    follower.n++
    this.#publish({ kind: 'change', receivers: this.#followers.size, listed })
    const surprised: number[] = []
    for (const [id, other] of this.#followers) {
      if (id === hub) continue
      const before = other.counts.get(hub)
      const isReturn = follower.n === 1 && !this.#rules.asksAgain
      if (before !== undefined && before + 1 !== follower.n && !isReturn) surprised.push(id)
      other.counts.set(hub, follower.n)
    }
    if (follower.members === 0) this.#followers.delete(hub)
    for (const id of surprised) this.#ask(id)
  }

  #ask(hub: number): void {
    this.#publish({ kind: 'ask', receivers: this.#followers.size, listed: 0 })
    for (const [id, { members, n }] of this.#followers) {
      if (id === hub) continue
      const receivers = this.#rules.answers === 'all' ? this.#followers.size : 1
      // Even an answer without members is one message.
      for (let page = 0; page < Math.max(1, members / PAGE); page++)
        this.#publish({ kind: 'answer', receivers, listed: Math.min(PAGE, members - page * PAGE) })
      for (const [other, { counts }] of this.#followers)
        if (other !== id && (other === hub || this.#rules.answers === 'all')) counts.set(id, n)
    }
  }
}
