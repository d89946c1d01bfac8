import { encodeMessage } from '../../sdk/wire/server-op.ts'
import { isNoResponders, NO_RESPONDERS } from '../upstream/message.ts'
import type { UpstreamMessage } from '../upstream/upstream.ts'
import { originOf } from './origin-header.ts'
import { SharedBatch } from './shared-batch.ts'
import { allocateFrame } from './slab.ts'
import type { SubjectScope } from './subject-scope.ts'
import type { Subscription } from './subscription.ts'
import type { Turn, TurnMember } from './turn.ts'

/** Subscriptions that get the same bytes: same sid, same understanding of headers, same names. */
class Group implements TurnMember {
  readonly members = new Set<Subscription>()
  /** Of what all members were given together. */
  readonly #tally = { frames: 0 }
  #shared: SharedBatch | undefined
  readonly #sid: string
  readonly #headers: boolean
  readonly #scope: SubjectScope
  readonly #window: number
  readonly #turn: Turn

  constructor({ sid, owner, window }: Subscription, turn: Turn) {
    this.#turn = turn
    this.#window = window
    this.#sid = sid
    this.#headers = owner.headers
    this.#scope = owner.scope
  }

  static keyOf({ sid, filter, owner }: Subscription): string {
    const key = owner.scope.keyOf(filter)
    return owner.headers && key === '' ? sid : `${sid} ${owner.headers} ${key}`
  }

  add(subscription: Subscription): void {
    this.#part()
    this.members.add(subscription)
    subscription.countWith(this.#tally)
  }

  /** Returns whether it was there. */
  remove(subscription: Subscription): boolean {
    if (!this.members.delete(subscription)) return false
    this.#part()
    return true
  }

  /** Hands a message to all members. */
  deliver(message: UpstreamMessage, origin: string | undefined): void {
    if (this.#shared && !this.#shared.closed && message.reply === undefined) {
      this.#shared.add(this.encode(message, undefined))
      this.#tally.frames++
      return
    }
    let frame: Uint8Array | undefined
    let shared: SharedBatch | undefined
    // One who gets something else parts all of them, for this turn.
    let together = message.reply === undefined && this.members.size > 1
    for (const subscription of this.members) {
      const { owner } = subscription
      if (subscription.needsCare) {
        together = false
        if (!subscription.accepts(message, origin)) continue
        if (subscription.conflation?.holds(message, (held) => sendLater(this, subscription, held))) continue
      }
      if (message.reply !== undefined && owner.replies.needed) {
        sendOwn(this, subscription, message)
        continue
      }
      frame ??= this.encode(message, message.reply)
      if (together) {
        shared ??= new SharedBatch(this.#turn.emptyBatch.with(frame))
        together = owner.share(shared, this.#window)
      }
      if (together) subscription.count()
      else send(subscription, frame)
    }
    this.#part()
    if (!shared) return
    this.#shared = shared
    if (together) this.#turn.join(this, this.#window)
    else this.#part()
  }

  /** The turn is over: nothing is kept of it. */
  flush(): void {
    this.#part()
  }

  #part(): void {
    if (this.#shared) this.#shared.closed = true
    this.#shared = undefined
  }

  encode(message: UpstreamMessage, reply: string | undefined): Uint8Array {
    const { subject, payload } = message
    const name = this.#scope.toClient(subject) ?? subject
    const headers = this.#headers ? this.#headersOf(message) : undefined
    return encodeMessage(name, this.#sid, payload, { reply, headers, allocate: allocateFrame })
  }

  /** The newer servers' 503 tells the subject that was asked, with the prefix that a tenant must not see. */
  #headersOf(message: UpstreamMessage): Uint8Array | undefined {
    return this.#scope.prefix !== '' && isNoResponders(message) ? NO_RESPONDERS : message.headers
  }
}

/**
 * Everybody at this hub who wants one filter (in one queue group, if there is one), behind one upstream subscription.
 * A message is encoded once per group, and the same bytes go to all of its members.
 */
export class Interest {
  readonly #queued: boolean
  readonly #groups = new Map<string, Group>()
  readonly #turn: Turn
  readonly #random: () => number
  #size = 0

  constructor(queue: string | undefined, turn: Turn, random: () => number) {
    this.#turn = turn
    this.#queued = queue !== undefined
    this.#random = random
  }

  /** How many subscriptions share it. */
  get size(): number {
    return this.#size
  }

  add(subscription: Subscription): void {
    const key = Group.keyOf(subscription)
    let group = this.#groups.get(key)
    if (!group) {
      group = new Group(subscription, this.#turn)
      this.#groups.set(key, group)
    }
    group.add(subscription)
    this.#size++
  }

  /** Returns whether it was there. */
  remove(subscription: Subscription): boolean {
    const key = Group.keyOf(subscription)
    const group = this.#groups.get(key)
    if (!group?.remove(subscription)) return false
    this.#size--
    if (group.members.size === 0) this.#groups.delete(key)
    return true
  }

  /** Hands a message to all members, or to one if this is a queue group. */
  deliver(message: UpstreamMessage): void {
    const origin = message.headers && originOf(message.headers)
    if (this.#queued) return this.#deliverToOne(message, origin)
    for (const group of this.#groups.values()) group.deliver(message, origin)
  }

  #deliverToOne(message: UpstreamMessage, origin: string | undefined): void {
    const willing: Array<readonly [Group, Subscription]> = []
    for (const group of this.#groups.values()) {
      for (const subscription of group.members) {
        if (!subscription.needsCare || subscription.accepts(message, origin)) willing.push([group, subscription])
      }
    }
    const chosen = willing[Math.floor(this.#random() * willing.length)]
    if (!chosen) return
    sendOwn(...chosen, message)
  }
}

function send(subscription: Subscription, frame: Uint8Array): void {
  subscription.owner.write(frame, subscription.window)
  subscription.count()
}

/** For one subscription alone, whose owner may see another reply subject. */
function sendOwn(group: Group, subscription: Subscription, message: UpstreamMessage): void {
  const { reply } = message
  const { replies } = subscription.owner
  send(subscription, group.encode(message, reply !== undefined && replies.needed ? replies.grant(reply) : reply))
}

/** Later than to the others, and maybe after its end. */
function sendLater(group: Group, subscription: Subscription, message: UpstreamMessage): void {
  // It was accepted when it came; with new credentials the client may not have it any more.
  if (group.members.has(subscription) && subscription.accepts(message, undefined)) sendOwn(group, subscription, message)
}
