import { type Member, type PresenceNews, presenceSubject } from '../../sdk/wire/presence-frames.ts'
import { encodeMessage } from '../../sdk/wire/server-op.ts'
import type { Subscription } from '../delivery/subscription.ts'
import { pagesOf, pagesOfChanges } from './pages.ts'

const encoder = new TextEncoder()

/** Those in a channel, on all hubs, and who watches it here. */
export class Channel {
  /** By hub, then by id. A member's newest hub is the one that counts: a connection may outlive its hub. */
  readonly hubs = new Map<string, Map<string, Member>>()
  readonly watchers = new Set<Subscription>()
  /** What watchers were told: by id. */
  #told = new Map<string, Member>()

  /** Everybody, once. */
  members(): Map<string, Member> {
    const all = new Map<string, Member>()
    for (const members of this.hubs.values()) for (const [id, member] of members) all.set(id, member)
    return all
  }

  /** Tells a new watcher who is there, as the others know it. */
  welcome(watcher: Subscription): void {
    this.watchers.add(watcher)
    const pages = pagesOf([...this.#told.values()])
    // Nobody is there: that is said too.
    const last = pages.pop() ?? []
    const tell = (members: readonly Member[], more: boolean) =>
      say([watcher], { kind: 'members', you: watcher.owner.id, members, more })
    for (const page of pages) tell(page, true)
    tell(last, false)
  }

  /** Tells the watchers what has changed since they were told last. */
  tell(): void {
    const now = this.members()
    const joined = [...now.values()].filter((member) => this.#told.get(member.id) !== member)
    const left = [...this.#told.keys()].filter((id) => !now.has(id))
    this.#told = now
    for (const page of pagesOfChanges(joined, left)) say(this.watchers, { kind: 'changes', ...page })
  }

  /** @param member who it is, if watchers may not have been told yet */
  signal(id: string, data: unknown, member?: Member): void {
    say(this.watchers, { kind: 'signal', id, data, ...(member && !this.#told.has(id) && { member }) })
  }
}

/** One encoding for all. */
function say(watchers: Iterable<Subscription>, news: PresenceNews): void {
  const payload = encoder.encode(JSON.stringify(news))
  const frames = new Map<string, Uint8Array>()
  for (const watcher of watchers) {
    const { sid, filter, owner } = watcher
    let frame = frames.get(sid)
    if (!frame) {
      frame = encodeMessage(presenceSubject(filter), sid, payload)
      frames.set(sid, frame)
    }
    owner.write(frame)
  }
}
