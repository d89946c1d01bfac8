import type { Member } from '../../sdk/wire/presence-frames.ts'
import type { Subscription } from '../delivery/subscription.ts'
import { Channel } from './channel.ts'
import { type HubMessage, parseHubMessage } from './hub-message.ts'
import type { KnownHubs } from './known-hubs.ts'
import { pagesOf, pagesOfChanges } from './pages.ts'

/** Changes are collected for this time before they are reported, in ms. */
const GATHER = 100
/** Members of one other hub in one channel. More are ignored, which bounds memory. */
const MAX_MEMBERS = 100_000

/** Services that a {@link SyncedChannel} uses. */
export interface SyncServices {
  /** Id of this hub. */
  readonly hub: string
  readonly hubs: KnownHubs
  /** Publishes to all hubs that have the channel, or to the hub `to`. Messages are lost while NATS is unavailable. */
  publish(message: HubMessage, to?: string): void
  /** The channel has no members and watchers at this hub, and nothing left to report. */
  unused(): void
}

/**
 * A channel with members or watchers at this hub. Each hub is the authority for its own members: it publishes their
 * changes, and all of them on request.
 */
export class SyncedChannel {
  readonly #channel = new Channel()
  readonly #services: SyncServices
  /** Members at this hub that are not shown to others. */
  readonly #hidden = new Set<string>()
  /** Last change of each other hub. */
  readonly #counts = new Map<string, number>()
  /** Hubs that have not sent their members since this hub lost NATS. `asked`: the hub is alive and got another request. */
  readonly #doubtful = new Map<string, 'asked' | 'silent'>()
  /** Number of changes that this hub has published. */
  #n = 0
  readonly #joined = new Map<string, Member>()
  readonly #left = new Set<string>()
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(services: SyncServices) {
    this.#services = services
    this.#ask()
  }

  /** Members over all hubs. Hidden ones are not included. */
  get members(): Iterable<Member> {
    return this.#channel.members.values()
  }

  /** Number of watchers at this hub. */
  get watchers(): number {
    return this.#channel.watchers.size
  }

  watch(subscription: Subscription): void {
    this.#channel.welcome(subscription)
  }

  unwatch(subscription: Subscription): void {
    if (this.#channel.watchers.delete(subscription)) this.#checkUnused()
  }

  /** A client of this hub joins, or changes its state. */
  join(member: Member): void {
    const { hub } = this.#services
    this.#hidden.delete(member.id)
    const own = this.#channel.hubs.get(hub) ?? new Map<string, Member>()
    this.#channel.hubs.set(hub, own.set(member.id, member))
    this.#joined.set(member.id, member)
    this.#left.delete(member.id)
    this.#planReport()
  }

  /** A client of this hub joins without being shown to others. */
  hide(id: string): void {
    this.#remove(id)
    this.#hidden.add(id)
  }

  leave(id: string): void {
    this.#hidden.delete(id)
    this.#remove(id)
    this.#checkUnused()
  }

  /** Sends a signal of a member of this hub. Returns false if it is not a visible member. */
  signal(id: string, data: unknown): boolean {
    const { hub } = this.#services
    if (!this.#channel.hubs.get(hub)?.has(id)) return false
    const unreported = this.#joined.get(id)
    this.#channel.signal(id, data, unreported)
    this.#services.publish({ hub, id, data, ...(unreported && { member: unreported }) })
    return true
  }

  /** Takes a message of another hub. Malformed messages are ignored. */
  receive(payload: Uint8Array): void {
    const message = parseHubMessage(payload)
    if (!message || message.hub === this.#services.hub || !this.#services.hubs.add(message.hub)) return
    if ('ask' in message) return this.#publishAll(message.direct ? message.hub : undefined)
    if ('data' in message) {
      const known = this.#channel.hubs.get(message.hub)?.get(message.id)
      return this.#channel.signal(message.id, message.data, message.member ?? known)
    }
    this.#apply(message)
  }

  /** The upstream is open again: this hub and others may have missed changes. */
  reconnected(): void {
    this.#publishAll()
    this.#ask()
    for (const hub of this.#channel.hubs.keys()) if (hub !== this.#services.hub) this.#doubtful.set(hub, 'silent')
  }

  /**
   * Repeats the request to hubs that have not sent their members since `reconnectedAt`. A hub whose last member has left does not
   * answer: it is alive, but has forgotten the channel. A hub that is silent may have lost NATS itself.
   * Returns whether some hubs are still in doubt.
   */
  checkDoubtful(reconnectedAt: number): boolean {
    for (const [hub, state] of this.#doubtful) {
      if (state === 'asked') this.drop(hub)
      if (state === 'asked' || !this.#channel.hubs.has(hub)) this.#doubtful.delete(hub)
      else if (this.#services.hubs.hasSentSince(hub, reconnectedAt)) this.#doubtful.set(hub, 'asked')
    }
    if (this.#doubtful.size === 0) return false
    this.#ask()
    return true
  }

  /** Another hub has no members in this channel any more. */
  drop(hub: string): void {
    this.#counts.delete(hub)
    if (this.#channel.hubs.delete(hub)) this.#planReport()
  }

  /** Publishes that this hub has no members, so that other hubs need not wait until it counts as gone. */
  close(): void {
    const { hub } = this.#services
    clearTimeout(this.#timer)
    if (this.#timer || this.#channel.hubs.get(hub)?.size)
      this.#services.publish({ hub, n: ++this.#n, part: 0, members: [] })
  }

  #apply(message: Extract<HubMessage, { n: number }>): void {
    const { hub, n } = message
    const members = this.#channel.hubs.get(hub) ?? new Map<string, Member>()
    const add = (member: Member) => {
      if (members.has(member.id) || members.size < MAX_MEMBERS) members.set(member.id, member)
    }
    if ('members' in message) {
      if (message.part === 0) members.clear()
      this.#doubtful.delete(hub)
      for (const member of message.members) add(member)
    } else {
      const before = this.#counts.get(hub)
      // The first change lists all members: the hub had no channel, or had left it.
      if (n === 1) members.clear()
      // A change was missed, or arrived before the members that it changes.
      else if (before !== undefined && n !== before + 1) this.#ask()
      for (const member of message.joined) add(member)
      for (const id of message.left) members.delete(id)
    }
    this.#counts.set(hub, n)
    if (members.size > 0) this.#channel.hubs.set(hub, members)
    else this.#channel.hubs.delete(hub)
    this.#planReport()
  }

  #remove(id: string): void {
    if (!this.#channel.hubs.get(this.#services.hub)?.delete(id)) return
    this.#joined.delete(id)
    this.#left.add(id)
    this.#planReport()
  }

  #ask(): void {
    this.#services.publish({ hub: this.#services.hub, ask: true, direct: true })
  }

  #publishAll(to?: string): void {
    const { hub } = this.#services
    const members = [...(this.#channel.hubs.get(hub)?.values() ?? [])]
    // An empty list as well: the other hub may have missed that the last member left.
    const pages = members.length > 0 ? pagesOf(members) : [[]]
    for (const [part, page] of pages.entries()) this.#services.publish({ hub, n: this.#n, part, members: page }, to)
  }

  /** Reports changes to watchers and to other hubs after a moment, because many may come at once. */
  #planReport(): void {
    this.#timer ??= setTimeout(() => {
      const { hub } = this.#services
      this.#timer = undefined
      this.#channel.report()
      const [joined, left] = [[...this.#joined.values()], [...this.#left]]
      this.#joined.clear()
      this.#left.clear()
      for (const page of pagesOfChanges(joined, left)) this.#services.publish({ hub, n: ++this.#n, ...page })
      this.#checkUnused()
    }, GATHER)
  }

  #checkUnused(): void {
    const hasMembers = this.#hidden.size > 0 || (this.#channel.hubs.get(this.#services.hub)?.size ?? 0) > 0
    if (!hasMembers && this.#channel.watchers.size === 0 && !this.#timer) this.#services.unused()
  }
}
