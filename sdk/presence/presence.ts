/** Who is in a channel: loaded when somebody wants to know. */
import { guard } from '../bus/receiver.ts'
import { SpanwireError } from '../errors.ts'
import { decode, encode } from '../protocol/bytes.ts'
import { isChannel, type Member, type PresenceNews, type PresenceOrder, presenceSubject } from '../protocol/presence.ts'
import type { Transport } from '../transport/transport.ts'

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
   * @throws SpanwireError (as rejection) `permission-denied`, and what `publish` throws
   */
  join(state?: unknown, options?: JoinOptions): Promise<void>
  /** Is no longer in the channel, and still sees who is. */
  leave(): Promise<void>
  /** Says something to whoever is there now, such as that somebody types: nobody keeps it. Only members can. */
  signal(data: unknown): Promise<void>
  /** Calls `listener` with what members signal. Returns what ends it. */
  onSignal(listener: (signal: PresenceSignal) => void): () => void
  /** Leaves, and sees nothing more. Idempotent. */
  close(): void
}

/**
 * Resolves once it is known who is there.
 * @throws SpanwireError (as rejection) `invalid-argument` for a bad name, `permission-denied`, `unsupported` without a bridge
 */
export async function openPresence(transport: Transport, channel: string): Promise<Presence> {
  if (!isChannel(channel))
    throw new SpanwireError('invalid-argument', `${JSON.stringify(channel)} is no channel: use a subject.`)
  const subject = presenceSubject(channel)
  const members = new Map<string, Member>()
  const listeners = new Set<(change: PresenceChange) => void>()
  const signals = new Set<(signal: PresenceSignal) => void>()
  const known = Promise.withResolvers<void>()
  let self = ''
  /** Of a list that comes in parts. */
  let listed: Map<string, Member> | undefined
  let joined: PresenceOrder | undefined

  const tell = <T>(all: Set<(value: T) => void>, value: T) => {
    for (const listener of [...all]) guard(listener, (error) => console.error('spanwire:', error), [value])
  }
  const change = (now: readonly Member[], gone: Iterable<string>) => {
    const left = [...gone].flatMap((id) => members.get(id) ?? [])
    for (const { id } of left) members.delete(id)
    for (const member of now) members.set(member.id, member)
    if (now.length + left.length > 0) tell(listeners, { joined: now, left })
  }
  function take(news: PresenceNews): void {
    if (news.kind === 'signal') {
      return tell(signals, { id: news.id, member: members.get(news.id), data: news.data })
    }
    if (news.kind === 'changes') return change(news.joined, news.left)
    self = news.you
    listed ??= new Map()
    for (const member of news.members) listed.set(member.id, member)
    if (news.more) return
    const all = listed
    listed = undefined
    const same = (member: Member) => JSON.stringify(members.get(member.id)) === JSON.stringify(member)
    change(
      [...all.values()].filter((member) => !same(member)),
      [...members.keys()].filter((id) => !all.has(id)),
    )
    known.resolve()
  }

  const subscription = transport.subscribe(subject, {
    message: ({ payload }) => take(JSON.parse(decode(payload))),
    ended: known.reject,
  })
  const say = (order: PresenceOrder) => transport.publish(subject, encode(JSON.stringify(order)))
  const stop = transport.onStatus(({ state }) => {
    // Another connection, or another hub: neither knows of this one.
    if (state === 'open' && joined) say(joined).catch(() => {})
    if (state === 'open' && transport.edge === false) known.reject(withoutBridge())
  })
  if (transport.edge === false) known.reject(withoutBridge())
  const close = () => {
    stop()
    if (joined) say({ do: 'leave' }).catch(() => {})
    joined = undefined
    subscription.unsubscribe()
  }
  try {
    await known.promise
  } catch (error) {
    close()
    throw error
  }
  return {
    get self() {
      return self
    },
    members,
    subscribe: (listener) => add(listeners, listener),
    async join(state, { hidden = false } = {}) {
      joined = { do: 'join', state, hidden }
      try {
        await say(joined)
      } catch (error) {
        joined = undefined
        throw error
      }
    },
    async leave() {
      joined = undefined
      await say({ do: 'leave' })
    },
    signal: (data) => say({ do: 'signal', data }),
    onSignal: (listener) => add(signals, listener),
    close,
    [Symbol.dispose]: close,
  }
}

function add<T>(all: Set<(value: T) => void>, listener: (value: T) => void): () => void {
  const own = (value: T) => listener(value)
  all.add(own)
  return () => void all.delete(own)
}

function withoutBridge(): SpanwireError {
  return new SpanwireError('unsupported', 'Presence needs a bridge: a plain nats-server has none.')
}
