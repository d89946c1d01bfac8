import {
  isChannel,
  type Member,
  type PresenceOrder,
  presenceChannel,
  presenceSubject,
} from '../../sdk/wire/presence-frames.ts'
import type { Limits } from '../auth/limits.ts'
import { mayBePresent, type Permissions, type SubscriptionVerdict } from '../auth/permissions.ts'
import { type Client, shareOf } from '../delivery/client.ts'
import type { Subscription } from '../delivery/subscription.ts'
import type { SubscribeOp, SubscribeRefusal, SubscriptionTarget, Topic } from '../delivery/topic.ts'
import type { EndSubscription, Upstream } from '../upstream/upstream.ts'
import { ALIVE_SUBJECT, hubSubject } from './hub-message.ts'
import { KnownHubs } from './known-hubs.ts'
import { SyncedChannel } from './synced-channel.ts'

/** Interval at which a hub with members publishes that it is alive, in ms. */
const ALIVE = 5_000
/** Time for other hubs to send their members after an outage, in ms. */
const ANSWER = 2_000
/** Size of an order without its state, in bytes. */
const ORDER_OVERHEAD = 100

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Services of the hub that {@link Channels} uses. */
export interface PresenceServices {
  readonly upstream: Upstream
  readonly limits: Limits
  /** Id of this hub. */
  readonly hub: string
  readonly clock: () => number
  /** Counts the channels of members, as filters of subscriptions. Default: without a limit. */
  readonly members?: MemberPlaces
}

/** Channels in which the connections of a user are members. */
export interface MemberPlaces {
  /** Counts a connection of `user` in a channel. Returns false if that is over a limit. @param isOpen whether the hub has it */
  join(user: string, channel: string, isOpen: boolean): boolean
  leave(user: string, channel: string): void
}

/** A channel, for monitoring. */
export interface ChannelStats {
  readonly name: string
  /** Subscribers at this hub. */
  readonly watchers: number
  /** Members over all hubs. */
  readonly members: readonly Member[]
}

/** `$EDGE.PRESENCE.<channel>`: the members of channels, over all hubs on one NATS system. */
export class Channels implements Topic {
  readonly prefix: string = presenceSubject('')
  readonly #services: PresenceServices
  readonly #hubs: KnownHubs
  readonly #channels = new Map<string, { readonly synced: SyncedChannel; readonly unsubscribe: EndSubscription }>()
  /** Channels of each connection that is in any. */
  readonly #channelsOf = new Map<string, Set<string>>()
  /** The user whose places they take; see {@link shareOf}. */
  readonly #shares = new Map<string, string>()
  #timer: ReturnType<typeof setInterval> | undefined
  #doubtTimer: ReturnType<typeof setTimeout> | undefined
  #reconnectedAt = 0
  /** Ends of the subscriptions that all channels share. */
  readonly #shared: EndSubscription[] = []

  constructor(services: PresenceServices) {
    this.#services = services
    this.#hubs = new KnownHubs(services.clock)
  }

  get size(): number {
    return this.#channels.size
  }

  /** Channels with members or watchers at this hub, by their name at the broker. */
  *list(): Iterable<ChannelStats> {
    for (const [name, { synced }] of this.#channels)
      yield { name, watchers: synced.watchers, members: [...synced.members] }
  }

  parse({ subject, queue }: SubscribeOp): SubscriptionTarget | SubscribeRefusal {
    if (!isChannel(presenceChannel(subject) ?? '')) return { refused: 'invalid-subject' }
    return queue === undefined ? { filter: subject } : { refused: 'permission' }
  }

  judge(permissions: Permissions, subject: string): SubscriptionVerdict {
    return mayBePresent(permissions.subscribe, subject) ? 'allowed' : 'refused'
  }

  has(subscription: Subscription): boolean {
    return this.#channels.has(nameOf(subscription))
  }

  add(subscription: Subscription): number {
    this.#open(nameOf(subscription)).watch(subscription)
    return 0
  }

  remove(subscription: Subscription): void {
    this.#channels.get(nameOf(subscription))?.synced.unwatch(subscription)
  }

  leave(subscription: Subscription): number {
    this.remove(subscription)
    return 0
  }

  /** Carries out an order that a client publishes to a channel. Returns false if it is malformed or over a limit. */
  take(channel: string, client: Client, payload: Uint8Array): boolean {
    const name = client.scope.publishTo(channel)
    const known = this.#channels.get(name)?.synced
    const order = payload.length <= this.#services.limits.presence.state + ORDER_OVERHEAD && parseOrder(payload)
    if (!order) return false
    if (order.do === 'leave') this.#leave(name, client.id)
    else if (order.do === 'signal') return known?.signal(client.id, order.data) ?? false
    else return this.#join(name, client, order)
    return true
  }

  /** The connection is closed. */
  leaveAll(id: string): void {
    for (const name of [...(this.#channelsOf.get(id) ?? [])]) this.#leave(name, id)
  }

  /** The client has new credentials. It leaves channels for which they have no permission. */
  review({ id, scope, identity }: Client): void {
    for (const name of [...(this.#channelsOf.get(id) ?? [])]) {
      const channel = scope.toClient(name)
      if (channel === undefined || !mayBePresent(identity.permissions.publish, presenceSubject(channel)))
        this.#leave(name, id)
    }
  }

  /** The upstream is open again. */
  reconnected(): void {
    for (const { synced } of this.#channels.values()) synced.reconnected()
    this.#reconnectedAt = this.#services.clock()
    clearTimeout(this.#doubtTimer)
    this.#doubtTimer = setTimeout(() => this.#checkDoubtful(), ANSWER)
  }

  /** Publishes that this hub is alive, and drops the members of silent hubs. Called every few seconds. */
  tick(): void {
    if (this.#channelsOf.size > 0) this.#publish(ALIVE_SUBJECT, this.#services.hub)
    for (const hub of this.#hubs.removeGone()) for (const { synced } of this.#channels.values()) synced.drop(hub)
  }

  close(): void {
    clearInterval(this.#timer)
    clearTimeout(this.#doubtTimer)
    for (const { synced, unsubscribe } of this.#channels.values()) {
      synced.close()
      unsubscribe()
    }
    this.#endShared()
    this.#channels.clear()
  }

  #join(name: string, client: Client, order: Extract<PresenceOrder, { do: 'join' }>): boolean {
    const { id, identity } = client
    const channels = this.#channelsOf.get(id) ?? new Set()
    if (!channels.has(name)) {
      if (channels.size >= this.#services.limits.presence.channels) return false
      const { members } = this.#services
      if (members && !members.join(shareOf(client), name, this.#channels.has(name))) return false
      this.#shares.set(id, shareOf(client))
    }
    this.#channelsOf.set(id, channels.add(name))
    const member: Member = {
      id,
      user: identity.user,
      ...(identity.presence !== undefined && { claims: identity.presence }),
      ...('state' in order && { state: order.state }),
    }
    if (order.hidden) this.#open(name).hide(id)
    else this.#open(name).join(member)
    return true
  }

  #leave(name: string, id: string): void {
    const channels = this.#channelsOf.get(id)
    if (channels?.delete(name)) this.#services.members?.leave(this.#shares.get(id) ?? '', name)
    if (channels?.size === 0) {
      this.#channelsOf.delete(id)
      this.#shares.delete(id)
    }
    this.#channels.get(name)?.synced.leave(id)
  }

  #open(name: string): SyncedChannel {
    const known = this.#channels.get(name)
    if (known) return known.synced
    const { upstream, hub } = this.#services
    const receive = (name: string, payload: Uint8Array) => this.#channels.get(name)?.synced.receive(payload)
    // Before the channel sends its request: the answers must find the subscription.
    if (this.#shared.length === 0)
      this.#shared.push(
        upstream.subscribe(ALIVE_SUBJECT, undefined, ({ payload }) => this.#hubs.alive(decoder.decode(payload))),
        upstream.subscribe(hubSubject('>', hub), undefined, ({ subject, payload }) =>
          receive(subject.slice(hubSubject('', hub).length), payload),
        ),
      )
    const unsubscribe = upstream.subscribe(hubSubject(name), undefined, ({ payload }) => receive(name, payload))
    const synced = new SyncedChannel({
      hub,
      hubs: this.#hubs,
      publish: (message, to) => this.#publish(hubSubject(name, to), JSON.stringify(message)),
      unused: () => this.#drop(name),
    })
    this.#channels.set(name, { synced, unsubscribe })
    this.#timer ??= setInterval(() => this.tick(), ALIVE)
    return synced
  }

  #endShared(): void {
    for (const unsubscribe of this.#shared.splice(0)) unsubscribe()
  }

  #drop(name: string): void {
    this.#channels.get(name)?.unsubscribe()
    this.#channels.delete(name)
    if (this.#channels.size > 0) return
    clearInterval(this.#timer)
    this.#endShared()
    this.#timer = undefined
    this.#hubs.clear()
  }

  #checkDoubtful(): void {
    let isInDoubt = false
    for (const { synced } of this.#channels.values()) if (synced.checkDoubtful(this.#reconnectedAt)) isInDoubt = true
    if (isInDoubt) this.#doubtTimer = setTimeout(() => this.#checkDoubtful(), ANSWER)
  }

  #publish(subject: string, text: string): void {
    try {
      this.#services.upstream.publish({ subject, payload: encoder.encode(text) })
    } catch {
      // NATS is unavailable. Everything is published again once it is back.
    }
  }
}

/** Name of a subscription's channel at the broker. */
function nameOf({ subject, client }: Subscription): string {
  return client.scope.publishTo(presenceChannel(subject) ?? '')
}

function parseOrder(payload: Uint8Array): PresenceOrder | undefined {
  try {
    const order = JSON.parse(decoder.decode(payload)) as PresenceOrder
    // JSON drops undefined: without data the message to other hubs would not be a signal.
    if (order.do === 'signal' && order.data === undefined) return undefined
    return ['join', 'leave', 'signal'].includes(order.do) ? order : undefined
  } catch {
    return undefined
  }
}
