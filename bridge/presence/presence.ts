import type { Member, PresenceOrder } from '../../sdk/wire/presence-frames.ts'
import type { Limits } from '../auth/limits.ts'
import type { Subscription } from '../delivery/subscription.ts'
import type { EndSubscription, Upstream } from '../upstream/upstream.ts'
import { Channel } from './channel.ts'
import { ALIVE_SUBJECT, type HubNews, hubSubject } from './hub-news.ts'
import { pagesOf, pagesOfChanges } from './pages.ts'

/** Changes are gathered for so long before they are told, in ms. */
const GATHER = 100
/** How often a hub with members says that it is there, in ms. */
const ALIVE = 5_000
/** How long hubs have to answer who asks for all of their members after an outage, in ms. */
const ANSWER = 2_000
/** A hub that wasn't heard for so long is gone, and its members with it, in ms. */
const GONE = 20_000

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** A channel, and what this hub has to do with it. */
interface Followed {
  readonly channel: Channel
  /** Members on this hub that nobody sees. */
  readonly hidden: Set<string>
  readonly end: EndSubscription
  /** What other hubs have said last, by hub. */
  readonly counts: Map<string, number>
  /** Hubs that have not said yet whom they have, since this one was out of reach of NATS, and whether they were asked. */
  readonly doubtful: Map<string, 'asked' | 'away'>
  /** What was said by this one. */
  n: number
  joined: Map<string, Member>
  left: Set<string>
  timer: ReturnType<typeof setTimeout> | undefined
}

/** Who is in a channel, and what of it counts for others. */
export interface Present {
  readonly id: string
  readonly user: string
  readonly claims?: unknown
}

/**
 * Who is in which channel, over all hubs of a NATS. Hubs tell each other what changes, and all of it to a hub that asks:
 * the truth about a member is with the hub that has its connection, and nowhere else. A hub that is no longer heard takes
 * its members along.
 */
export class Presence {
  readonly #upstream: Upstream
  readonly #limits: Limits
  readonly #clock: () => number
  readonly #hub: string
  readonly #followed = new Map<string, Followed>()
  /** Channels of each connection that is in any. */
  readonly #channelsOf = new Map<string, Set<string>>()
  /** When other hubs were heard last. */
  readonly #heard = new Map<string, number>()
  #timer: ReturnType<typeof setInterval> | undefined
  #answers: ReturnType<typeof setTimeout> | undefined
  /** When this hub was last within reach of NATS again. */
  #returned = 0
  #endAlive: EndSubscription | undefined

  constructor(upstream: Upstream, limits: Limits, hub: string, clock: () => number) {
    this.#upstream = upstream
    this.#limits = limits
    this.#hub = hub
    this.#clock = clock
  }

  /** Channels that somebody is in or watches. */
  get size(): number {
    return this.#followed.size
  }

  has(channel: string): boolean {
    return this.#followed.has(channel)
  }

  watch(subscription: Subscription): void {
    this.#follow(subscription.brokerFilter).channel.welcome(subscription)
  }

  unwatch(subscription: Subscription): void {
    const name = subscription.brokerFilter
    const followed = this.#followed.get(name)
    if (!followed?.channel.watchers.delete(subscription)) return
    this.#letGo(name, followed)
  }

  /**
   * Carries out what a client says in a channel.
   * @param name the channel, as it is at the broker
   * @returns why not, if it can't be done
   */
  take(name: string, member: Present, payload: Uint8Array): string | undefined {
    const order = payload.length <= this.#limits.presence.state + 100 ? parseOrder(payload) : undefined
    if (!order) return 'Presence Violation'
    if (order.do === 'leave') {
      this.#leave(name, member.id)
      return undefined
    }
    if (order.do === 'signal') {
      const followed = this.#followed.get(name)
      if (!followed?.channel.hubs.get(this.#hub)?.has(member.id)) return 'Presence Violation'
      const { id } = member
      // Of one who came a moment ago nobody has been told yet.
      const newcomer = followed.joined.get(id)
      followed.channel.signal(id, order.data, newcomer)
      this.#say(name, { hub: this.#hub, id, data: order.data, ...(newcomer && { member: newcomer }) })
      return undefined
    }
    const channels = this.#channelsOf.get(member.id) ?? new Set()
    if (!channels.has(name) && channels.size >= this.#limits.presence.channels) return 'Presence Violation'
    channels.add(name)
    this.#channelsOf.set(member.id, channels)
    const followed = this.#follow(name)
    if (order.hidden) {
      this.#remove(name, followed, member.id)
      followed.hidden.add(member.id)
      return undefined
    }
    followed.hidden.delete(member.id)
    const { id, user, claims } = member
    const now: Member = {
      id,
      user,
      ...(claims !== undefined && { claims }),
      ...('state' in order && { state: order.state }),
    }
    const own = followed.channel.hubs.get(this.#hub) ?? new Map<string, Member>()
    followed.channel.hubs.set(this.#hub, own.set(id, now))
    followed.joined.set(id, now)
    followed.left.delete(id)
    this.#plan(name, followed)
    return undefined
  }

  /** A connection is gone, or may not be in some channels any more. */
  gone(id: string, from: (channel: string) => boolean = () => true): void {
    for (const name of [...(this.#channelsOf.get(id) ?? [])]) if (from(name)) this.#leave(name, id)
  }

  /** NATS is within reach again: nobody knows what was missed. */
  reconnected(): void {
    for (const [name, followed] of this.#followed) {
      this.#sayAll(name, followed)
      this.#say(name, { hub: this.#hub, ask: true })
      for (const hub of followed.channel.hubs.keys()) if (hub !== this.#hub) followed.doubtful.set(hub, 'away')
    }
    this.#returned = this.#clock()
    clearTimeout(this.#answers)
    this.#answers = setTimeout(() => this.#askDoubtful(), ANSWER)
  }

  /**
   * A hub whose last member left meanwhile may have forgotten the channel: it is heard, and doesn't answer. One that isn't
   * heard may be away itself.
   */
  #askDoubtful(): void {
    let isOver = true
    for (const [name, followed] of this.#followed) {
      const { channel, doubtful } = followed
      for (const [hub, state] of doubtful) {
        if (state === 'asked') this.#drop(hub, name, followed)
        if (state === 'asked' || !channel.hubs.has(hub)) doubtful.delete(hub)
        else if ((this.#heard.get(hub) ?? 0) > this.#returned) doubtful.set(hub, 'asked')
      }
      if (doubtful.size === 0) continue
      isOver = false
      this.#say(name, { hub: this.#hub, ask: true })
    }
    if (!isOver) this.#answers = setTimeout(() => this.#askDoubtful(), ANSWER)
  }

  close(): void {
    clearInterval(this.#timer)
    clearTimeout(this.#answers)
    for (const [name, followed] of this.#followed) {
      clearTimeout(followed.timer)
      // Others needn't wait until they miss this hub.
      if (followed.timer || followed.channel.hubs.get(this.#hub)?.size)
        this.#say(name, { hub: this.#hub, n: ++followed.n, part: 0, members: [] })
      followed.end()
    }
    this.#endAlive?.()
    this.#followed.clear()
  }

  #leave(name: string, id: string): void {
    const channels = this.#channelsOf.get(id)
    if (channels?.delete(name) && channels.size === 0) this.#channelsOf.delete(id)
    const followed = this.#followed.get(name)
    if (!followed) return
    followed.hidden.delete(id)
    this.#remove(name, followed, id)
    this.#letGo(name, followed)
  }

  #remove(name: string, followed: Followed, id: string): void {
    if (!followed.channel.hubs.get(this.#hub)?.delete(id)) return
    followed.joined.delete(id)
    followed.left.add(id)
    this.#plan(name, followed)
  }

  #follow(name: string): Followed {
    const known = this.#followed.get(name)
    if (known) return known
    const followed: Followed = {
      channel: new Channel(),
      hidden: new Set(),
      end: this.#upstream.subscribe(hubSubject(name), undefined, ({ payload }) => this.#hear(name, payload)),
      counts: new Map(),
      doubtful: new Map(),
      n: 0,
      joined: new Map(),
      left: new Set(),
      timer: undefined,
    }
    this.#followed.set(name, followed)
    this.#say(name, { hub: this.#hub, ask: true })
    this.#endAlive ??= this.#upstream.subscribe(ALIVE_SUBJECT, undefined, ({ payload }) =>
      this.#heard.set(decoder.decode(payload), this.#clock()),
    )
    this.#timer ??= setInterval(() => this.tick(), ALIVE)
    return followed
  }

  /** Nobody is in it or watches it here: it is forgotten, once all is said. */
  #letGo(name: string, followed: Followed): void {
    const { channel, hidden, timer } = followed
    if (channel.watchers.size > 0 || hidden.size > 0 || channel.hubs.get(this.#hub)?.size || timer) return
    followed.end()
    this.#followed.delete(name)
    if (this.#followed.size > 0) return
    clearInterval(this.#timer)
    this.#endAlive?.()
    this.#timer = this.#endAlive = undefined
    this.#heard.clear()
  }

  /** Tells what has changed, here and to other hubs, after a moment: much may change at once. */
  #plan(name: string, followed: Followed): void {
    followed.timer ??= setTimeout(() => {
      followed.timer = undefined
      followed.channel.tell()
      const [joined, left] = [[...followed.joined.values()], [...followed.left]]
      followed.joined.clear()
      followed.left.clear()
      for (const page of pagesOfChanges(joined, left)) this.#say(name, { hub: this.#hub, n: ++followed.n, ...page })
      this.#letGo(name, followed)
    }, GATHER)
  }

  #sayAll(name: string, { channel, n }: Followed): void {
    const members = [...(channel.hubs.get(this.#hub)?.values() ?? [])]
    // Nobody, too: who asks may have missed that the last one left.
    const pages = members.length > 0 ? pagesOf(members) : [[]]
    for (const [part, page] of pages.entries()) this.#say(name, { hub: this.#hub, n, part, members: page })
  }

  #say(name: string, news: HubNews): void {
    this.#publish(hubSubject(name), JSON.stringify(news))
  }

  #publish(subject: string, text: string): void {
    try {
      this.#upstream.publish({ subject, payload: encoder.encode(text) })
    } catch {
      // NATS is away: when it is back all is said again.
    }
  }

  #hear(name: string, payload: Uint8Array): void {
    const followed = this.#followed.get(name)
    try {
      const news = JSON.parse(decoder.decode(payload)) as HubNews
      if (followed && typeof news.hub === 'string' && news.hub !== this.#hub) this.#learn(name, followed, news)
    } catch {
      // Somebody else's message: no hub says that.
    }
  }

  #learn(name: string, followed: Followed, news: HubNews): void {
    const { channel, counts } = followed
    this.#heard.set(news.hub, this.#clock())
    if ('ask' in news) return this.#sayAll(name, followed)
    if ('data' in news)
      return channel.signal(news.id, news.data, news.member ?? channel.hubs.get(news.hub)?.get(news.id))
    const members = channel.hubs.get(news.hub) ?? new Map<string, Member>()
    if ('members' in news) {
      if (news.part === 0) members.clear()
      followed.doubtful.delete(news.hub)
      for (const member of news.members) members.set(member.id, member)
    } else {
      const before = counts.get(news.hub)
      // Something was missed, or this hub came between a change and its word: all of it is needed.
      if (before !== undefined && news.n !== before + 1) this.#say(name, { hub: this.#hub, ask: true })
      for (const member of news.joined) members.set(member.id, member)
      for (const id of news.left) members.delete(id)
    }
    counts.set(news.hub, news.n)
    if (members.size > 0) channel.hubs.set(news.hub, members)
    else channel.hubs.delete(news.hub)
    this.#plan(name, followed)
  }

  /** Says that this hub is there, and drops those that are not: every few seconds. */
  tick(): void {
    if (this.#channelsOf.size > 0) this.#publish(ALIVE_SUBJECT, this.#hub)
    const now = this.#clock()
    for (const [name, followed] of this.#followed)
      for (const hub of [...followed.channel.hubs.keys()])
        if (hub !== this.#hub && now - (this.#heard.get(hub) ?? 0) > GONE) this.#drop(hub, name, followed)
  }

  /** A hub has nobody in the channel any more. */
  #drop(hub: string, name: string, followed: Followed): void {
    followed.channel.hubs.delete(hub)
    followed.counts.delete(hub)
    this.#plan(name, followed)
  }
}

function parseOrder(payload: Uint8Array): PresenceOrder | undefined {
  try {
    const order = JSON.parse(decoder.decode(payload)) as PresenceOrder
    // Without data, JSON between hubs would have no `data` either, and be taken for a change of members.
    if (order.do === 'signal' && order.data === undefined) return undefined
    return ['join', 'leave', 'signal'].includes(order.do) ? order : undefined
  } catch {
    return undefined
  }
}
