import { parseConflated } from '../../sdk/wire/conflate-subject.ts'
import { isChannel, presenceChannel, presenceSubject } from '../../sdk/wire/presence-frames.ts'
import { isReplay, parseReplay, replayStatus } from '../../sdk/wire/replay-frames.ts'
import { isSubject, isSubjectFilter } from '../../sdk/wire/subject.ts'
import { isReserved, mayBePresent, maySubscribe } from '../auth/permissions.ts'
import { Conflation } from '../delivery/conflation.ts'
import type { SubscriptionSnapshot } from '../delivery/session-snapshot.ts'
import { Subscription, type SubscriptionOwner } from '../delivery/subscription.ts'
import { encodeStatus } from '../replay/follower.ts'
import type { Outcome } from './outcome.ts'
import type { SessionHub } from './session-hub.ts'

/** Who has left this part of `maxPending` unread is behind. PINGs go out twice as often. */
const BEHIND = 4

/** A client's subscriptions, by sid. */
export class Subscriptions {
  readonly #hub: SessionHub
  readonly #client: SubscriptionOwner
  readonly #bySid = new Map<string, Subscription>()
  /** The newest of them at the broker; see SessionHub.confirm. */
  mark = 0
  /** What those were delivered that have ended. */
  #past = 0

  constructor(hub: SessionHub, client: SubscriptionOwner) {
    this.#hub = hub
    this.#client = client
  }

  get size(): number {
    return this.#bySid.size
  }

  /** What was asked for, in the client's words. */
  get names(): string[] {
    return [...this.#bySid.values()].map(({ name }) => name)
  }

  /** Messages in all, of those that ended, too. */
  get delivered(): number {
    let sum = this.#past
    for (const { delivered } of this.#bySid.values()) sum += delivered
    return sum
  }

  /** @param max how many subscriptions this client may have */
  add(filter: string, sid: string, queue: string | undefined, max: number): Outcome {
    const { maxSubjectLength } = this.#hub.limits
    if (!isSubjectFilter(filter) || (queue !== undefined && !isSubject(queue))) return 'Invalid Subject'
    if (Math.max(filter.length, queue?.length ?? 0) > maxSubjectLength) return 'Invalid Subject'
    const channel = presenceChannel(filter)
    if (channel !== undefined) return this.#addPresence(channel, sid, queue, max)
    const replay = parseReplay(filter)
    if (isReplay(filter)) {
      if (!this.#client.headers) return 'Replay Needs Headers'
      if (!replay || queue !== undefined || replay.filter.startsWith('_INBOX.')) {
        this.#client.write(encodeStatus(sid, 400, replayStatus.bad))
        return undefined
      }
    }
    const conflated = parseConflated(filter)
    if (conflated !== undefined && (queue !== undefined || !isSubjectFilter(conflated) || isReserved(conflated)))
      return 'Invalid Subject'
    const plain = replay?.filter ?? conflated ?? filter
    const verdict = maySubscribe(this.#client.permissions, plain)
    if (verdict === 'refused') return refusal(filter, queue)
    // As in nats-server, a sid that is taken stays with its first subscription.
    if (this.#bySid.has(sid)) return undefined
    const subscription = new Subscription(this.#client, sid, plain, queue, verdict === 'withheld', replay?.start)
    if (conflated !== undefined) subscription.conflation = this.#conflation()
    return this.#admit(subscription, max)
  }

  #conflation(): Conflation {
    return new Conflation(this.#client, this.#hub.limits.maxPending / BEHIND)
  }

  #addPresence(channel: string, sid: string, queue: string | undefined, max: number): Outcome {
    const subject = presenceSubject(channel)
    if (!isChannel(channel)) return 'Invalid Subject'
    if (queue !== undefined || !mayBePresent(this.#client.permissions.subscribe, subject))
      return refusal(subject, queue)
    if (this.#bySid.has(sid)) return undefined
    return this.#admit(new Subscription(this.#client, sid, channel, undefined, false, undefined, true), max)
  }

  #admit(subscription: Subscription, max: number): Outcome {
    if (this.#bySid.size >= max || !this.#hub.hasRoomFor(subscription)) return 'maximum subscriptions exceeded'
    this.#start(subscription)
    return undefined
  }

  /** Ends a subscription, now or, with `max`, once that many messages in all were delivered. */
  end(sid: string, max = 0): void {
    const subscription = this.#bySid.get(sid)
    if (!subscription) return
    // From here on each message is counted on its own.
    this.#client.part()
    if (max > subscription.delivered) {
      subscription.max = max
      return
    }
    this.#forget(subscription)
    this.mark = Math.max(this.mark, this.#hub.leave(subscription))
  }

  /** Ends one now: nothing more is delivered to it. It may be one that was on its way out, whose sid has gone to another. */
  drop(subscription: Subscription): void {
    if (this.#bySid.get(subscription.sid) === subscription) this.#forget(subscription)
    this.#hub.unsubscribe(subscription)
  }

  #forget({ sid, delivered }: Subscription): void {
    this.#bySid.delete(sid)
    this.#past += delivered
  }

  dropAll(): void {
    for (const subscription of [...this.#bySid.values()]) this.drop(subscription)
  }

  /** The client's permissions changed. Ends what they no longer allow; returns the texts for `-ERR`. */
  review(): string[] {
    const refusals: string[] = []
    // From here on each message may have to be looked at.
    this.#client.part()
    for (const subscription of [...this.#bySid.values()]) {
      const verdict = this.#judge(subscription)
      subscription.withheld = verdict === 'withheld'
      if (verdict !== 'refused') continue
      this.drop(subscription)
      refusals.push(refusal(subscription.name, subscription.queue))
    }
    return refusals
  }

  #judge({ presence, name, filter }: Subscription) {
    const { permissions } = this.#client
    if (presence) return mayBePresent(permissions.subscribe, name) ? 'allowed' : 'refused'
    return maySubscribe(permissions, filter)
  }

  /** Ends all subscriptions to a filter; returns the texts for `-ERR`. */
  revoke(filter: string): string[] {
    // By its filter, or as the client asked for it, which is what `/connz` lists.
    const revoked = [...this.#bySid.values()].filter(
      (one) => one.name === filter || (one.filter === filter && !one.presence),
    )
    for (const subscription of revoked) this.drop(subscription)
    return revoked.map(({ name, queue }) => refusal(name, queue))
  }

  snapshot(): SubscriptionSnapshot[] {
    return [...this.#bySid.values()].map(({ sid, name, queue, max, delivered }) => ({
      sid,
      filter: name,
      ...(queue !== undefined && { queue }),
      max,
      delivered,
    }))
  }

  restore(snapshots: readonly SubscriptionSnapshot[]): void {
    for (const { sid, filter, queue, max, delivered } of snapshots) {
      if (isReplay(filter)) {
        // Only the client knows what it got: it asks again from there.
        this.#client.write(encodeStatus(sid, 409, replayStatus.interrupted))
        continue
      }
      const channel = presenceChannel(filter)
      const conflated = parseConflated(filter)
      const plain = channel ?? conflated ?? filter
      const subscription = new Subscription(this.#client, sid, plain, queue, false, undefined, channel !== undefined)
      subscription.withheld = this.#judge(subscription) === 'withheld'
      if (conflated !== undefined) subscription.conflation = this.#conflation()
      subscription.max = max
      subscription.delivered = delivered
      this.#start(subscription)
    }
  }

  #start(subscription: Subscription): void {
    this.#bySid.set(subscription.sid, subscription)
    this.mark = Math.max(this.mark, this.#hub.subscribe(subscription))
  }
}

function refusal(filter: string, queue: string | undefined): string {
  return `Permissions Violation for Subscription to ${JSON.stringify(filter)}${queue === undefined ? '' : ` using queue ${JSON.stringify(queue)}`}`
}
