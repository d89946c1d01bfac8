/** Who is in a channel: loaded when somebody wants to know. */

import { guard, report } from '../kit/guard.ts'
import { Listeners } from '../kit/listeners.ts'
import type { Transport } from '../transport/transport.ts'
import { decode, encode } from '../wire/bytes.ts'
import { SpanwireError } from '../wire/errors.ts'
import {
  isChannel,
  type Member,
  type PresenceNews,
  type PresenceOrder,
  presenceSubject,
} from '../wire/presence-frames.ts'

/** What has changed in a channel. One that changed its state is in `joined` too. */
export interface PresenceChange {
  readonly joined: readonly Member[]
  readonly left: readonly Member[]
}

export interface JoinOptions {
  /** Nobody sees it. Default false. */
  readonly hidden?: boolean
}

/** Something that a member said to whoever is there. */
export interface PresenceSignal {
  readonly id: string
  /** Undefined if it has left meanwhile. */
  readonly member: Member | undefined
  readonly data: unknown
}

/** Those who are in a channel. While the connection is away it shows who was there before. */
export interface Presence extends Disposable {
  /** This connection's id, which another one than before after each reconnect. */
  readonly self: string
  /** By id. The same map always: it changes as they come and go. */
  readonly members: ReadonlyMap<string, Member>
  /** Calls `listener` with each change, about ten times a second at most. Returns what ends it. */
  subscribe(listener: (change: PresenceChange) => void): () => void
  /**
   * Is in the channel from now on, over reconnects; called again, with another state. `state` is JSON, up to 1,024 bytes.
   * Resolves when the bridge has taken it; `members` shows it a moment later.
   * @throws SpanwireError (as rejection) `permission-denied`, and what `publish` throws
   */
  join(state?: unknown, options?: JoinOptions): Promise<void>
  /** Is no longer in the channel, unless another part of the page joined it too; still sees who is. */
  leave(): Promise<void>
  /** Says something to whoever is there now, such as that somebody types: nobody keeps it. Only members can. */
  signal(data: unknown): Promise<void>
  /** Calls `listener` with what members signal. Returns what ends it. */
  onSignal(listener: (signal: PresenceSignal) => void): () => void
  /** Leaves, and sees nothing more. Idempotent. */
  close(): void
}

export interface PresenceOptions {
  /** Hears, once, that it ended although nobody here ended it: `permission-denied`, `connection-closed`. */
  readonly onEnd?: ((error: Error) => void) | undefined
}

/**
 * Who has joined a channel over a connection, and as what: a channel has a connection once, however many parts of a page
 * are in it. The newest counts, and with the last of them the connection leaves.
 */
const joins = new WeakMap<Transport, Set<Joined>>()

interface Joined {
  readonly channel: string
  readonly order: PresenceOrder
}

/**
 * Resolves once it is known who is there.
 * @throws SpanwireError (as rejection) `invalid-argument` for a bad name, `permission-denied`, `unsupported` without a bridge
 */
export async function openPresence(
  transport: Transport,
  channel: string,
  { onEnd }: PresenceOptions = {},
): Promise<Presence> {
  if (!isChannel(channel))
    throw new SpanwireError('invalid-argument', `${JSON.stringify(channel)} is no channel: use a subject.`)
  const subject = presenceSubject(channel)
  const all = joinsOf(transport)
  const newest = () => [...all].findLast((one) => one.channel === channel)
  const members = new Map<string, Member>()
  const changes = new Listeners<PresenceChange>()
  const signals = new Listeners<PresenceSignal>()
  const known = Promise.withResolvers<void>()
  let self = ''
  /** Of a list that comes in parts. */
  let listed: Map<string, Member> | undefined
  let joined: Joined | undefined
  /** The one that the bridge has taken: it counts until a later one is taken, too. */
  let taken: Joined | undefined
  let isKnown = false

  const change = (now: readonly Member[], gone: Iterable<string>) => {
    const left = [...gone].flatMap((id) => members.get(id) ?? [])
    for (const { id } of left) members.delete(id)
    for (const member of now) members.set(member.id, member)
    if (now.length + left.length > 0) changes.emit({ joined: now, left }, report)
  }
  function take(news: PresenceNews): void {
    if (news.kind === 'signal') {
      const { id, data } = news
      return signals.emit({ id, member: members.get(id) ?? news.member, data }, report)
    }
    if (news.kind === 'changes') return change(news.joined, news.left)
    self = news.you
    listed ??= new Map()
    for (const member of news.members) listed.set(member.id, member)
    if (news.more) return
    const now = listed
    listed = undefined
    const same = (member: Member) => JSON.stringify(members.get(member.id)) === JSON.stringify(member)
    change(
      [...now.values()].filter((member) => !same(member)),
      [...members.keys()].filter((id) => !now.has(id)),
    )
    known.resolve()
  }

  const subscription = transport.subscribe(subject, {
    message: ({ payload }) => take(JSON.parse(decode(payload))),
    ended(error) {
      known.reject(error)
      if (error && isKnown && onEnd) guard(onEnd, report, [error])
    },
  })
  const say = (order: PresenceOrder) => transport.publish(subject, encode(JSON.stringify(order)))
  const stop = transport.onStatus(({ state, reason }) => {
    // The rest of a list goes with its connection.
    if (state === 'reconnecting' && reason?.code !== 'upstream-unavailable') listed = undefined
    // Another connection, or another hub: neither knows of this one.
    if (state === 'open' && joined && joined === newest()) say(joined.order).catch(() => {})
    if (state === 'open' && transport.edge === false) known.reject(withoutBridge())
  })
  if (transport.edge === false) known.reject(withoutBridge())
  const leave = async () => {
    if (!joined) return
    const counted = joined === newest()
    all.delete(joined)
    if (taken) all.delete(taken)
    joined = taken = undefined
    if (counted) await say(newest()?.order ?? { do: 'leave' })
  }
  const close = () => {
    stop()
    leave().catch(() => {})
    subscription.unsubscribe()
  }
  try {
    await known.promise
    isKnown = true
  } catch (error) {
    close()
    throw error
  }
  return {
    get self() {
      return self
    },
    members,
    subscribe: (listener) => changes.add(listener),
    async join(state, { hidden = false } = {}) {
      const now: Joined = { channel, order: { do: 'join', state, hidden } }
      joined = now
      all.add(now)
      try {
        await say(now.order)
      } catch (error) {
        all.delete(now)
        // The bridge still has that one.
        if (joined === now) joined = taken
        throw error
      }
      // Left meanwhile?
      if (!all.has(now)) return
      if (taken) all.delete(taken)
      taken = now
    },
    leave,
    signal: (data) => say({ do: 'signal', data }),
    onSignal: (listener) => signals.add(listener),
    close,
    [Symbol.dispose]: close,
  }
}

function joinsOf(transport: Transport): Set<Joined> {
  const all = joins.get(transport) ?? new Set()
  joins.set(transport, all)
  return all
}

function withoutBridge(): SpanwireError {
  return new SpanwireError('unsupported', 'Presence needs a bridge: a plain nats-server has none.')
}
