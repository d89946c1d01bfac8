import type { Member, PresenceNews } from '../../sdk/wire/presence-frames.ts'
import { encodeMessage } from '../../sdk/wire/server-op.ts'
import type { Subscription } from '../delivery/subscription.ts'
import { pagesOf, pagesOfChanges } from './pages.ts'

const encoder = new TextEncoder()

/** The members of a channel over all hubs, and its watchers at this hub: clients that subscribe to it. */
export class Channel {
  /** Members by hub and id. If two hubs have one id, the later hub counts: a connection may outlive its hub. */
  readonly hubs = new Map<string, Map<string, Member>>()
  readonly watchers = new Set<Subscription>()
  /** Members that were reported to the watchers, by id. */
  #reported = new Map<string, Member>()

  /** Reports all members to a new watcher, as the other watchers know them. */
  welcome(watcher: Subscription): void {
    this.watchers.add(watcher)
    const pages = pagesOf([...this.#reported.values()])
    // An empty channel is reported as well.
    const last = pages.pop() ?? []
    const report = (members: readonly Member[], more: boolean) =>
      send([watcher], { kind: 'members', you: watcher.client.id, members, more })
    for (const page of pages) report(page, true)
    report(last, false)
  }

  /** Reports changes since the last report to all watchers. */
  report(): void {
    const now = this.members
    const joined = [...now.values()].filter((member) => this.#reported.get(member.id) !== member)
    const left = [...this.#reported.keys()].filter((id) => !now.has(id))
    this.#reported = now
    for (const page of pagesOfChanges(joined, left)) send(this.watchers, { kind: 'changes', ...page })
  }

  /** @param member the sender, for watchers to which it was not reported yet */
  signal(id: string, data: unknown, member?: Member): void {
    send(this.watchers, { kind: 'signal', id, data, ...(member && !this.#reported.has(id) && { member }) })
  }

  /** Members over all hubs, by id. */
  get members(): Map<string, Member> {
    const all = new Map<string, Member>()
    for (const members of this.hubs.values()) for (const [id, member] of members) all.set(id, member)
    return all
  }
}

/** Encodes the message once per sid. */
function send(watchers: Iterable<Subscription>, news: PresenceNews): void {
  const payload = encoder.encode(JSON.stringify(news))
  const frames = new Map<string, Uint8Array>()
  for (const { sid, subject, sendQueue } of watchers) {
    let frame = frames.get(sid)
    if (!frame) {
      frame = encodeMessage(subject, sid, payload)
      frames.set(sid, frame)
    }
    sendQueue.write(frame)
  }
}
