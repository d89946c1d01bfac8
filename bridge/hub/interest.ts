import { encodeMessage } from '../../sdk/protocol/server-op.ts'
import type { Subscription } from '../session/subscription.ts'
import type { UpstreamMessage } from '../upstream/upstream.ts'
import { originOf } from './echo.ts'

/** Subscriptions that get the same bytes: same sid, same understanding of headers. */
class Group {
  readonly members = new Set<Subscription>()
  readonly sid: string
  readonly headers: boolean

  constructor(sid: string, headers: boolean) {
    this.sid = sid
    this.headers = headers
  }

  encode(message: UpstreamMessage): Uint8Array {
    const headers = this.headers ? message.headers : undefined
    return encodeMessage(message.subject, this.sid, message.payload, message.reply, headers)
  }
}

/**
 * Everybody at this hub who wants one filter (in one queue group, if there is one), behind one upstream subscription.
 * A message is encoded once per group, and the same bytes go to all of its members.
 */
export class Interest {
  readonly filter: string
  readonly queue: string | undefined
  readonly #groups = new Map<string, Group>()
  readonly #random: () => number
  #size = 0

  constructor(filter: string, queue: string | undefined, random: () => number) {
    this.filter = filter
    this.queue = queue
    this.#random = random
  }

  /** How many subscriptions share it. */
  get size(): number {
    return this.#size
  }

  add(subscription: Subscription): void {
    const key = groupKey(subscription)
    let group = this.#groups.get(key)
    if (!group) {
      group = new Group(subscription.sid, subscription.owner.headers)
      this.#groups.set(key, group)
    }
    group.members.add(subscription)
    this.#size++
  }

  remove(subscription: Subscription): void {
    const key = groupKey(subscription)
    const group = this.#groups.get(key)
    if (!group?.members.delete(subscription)) return
    this.#size--
    if (group.members.size === 0) this.#groups.delete(key)
  }

  /** Hands a message to all members, or to one if this is a queue group. */
  deliver(message: UpstreamMessage): void {
    const origin = message.headers && originOf(message.headers)
    if (this.queue !== undefined) return this.#deliverToOne(message, origin)
    for (const group of this.#groups.values()) {
      let frame: Uint8Array | undefined
      for (const subscription of group.members) {
        const care = subscription.needsCare
        if (care && !subscription.accepts(message, origin)) continue
        frame ??= group.encode(message)
        subscription.owner.write(frame)
        if (care) subscription.count()
      }
    }
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
    const [group, subscription] = chosen
    subscription.owner.write(group.encode(message))
    subscription.count()
  }
}

function groupKey(subscription: Subscription): string {
  return subscription.owner.headers ? subscription.sid : `${subscription.sid} plain`
}
