/// <reference lib="esnext.disposable" preserve="true" />
/** Presence channels: loaded with the first one. */

import { createDeferred } from '../kit/deferred.ts'
import { DISPOSE } from '../kit/dispose.ts'
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

/** Changes of a channel. */
export interface PresenceChange {
  /** New members, and members with a new state. */
  readonly joined: readonly Member[]
  /** Members that left. */
  readonly left: readonly Member[]
}

/** Options of {@link Presence.join}. */
export interface JoinOptions {
  /** Other members do not see this member. Default false. */
  readonly hidden?: boolean
}

/** Transient data from one member to the current members. */
export interface PresenceSignal {
  /** Id of the sender's connection. */
  readonly id: string
  /** The sender. Undefined if it has left. */
  readonly member: Member | undefined
  /** The data, as it was passed to `signal`. */
  readonly data: unknown
}

/** A presence channel. While the client is offline, it has the members from before. */
export interface Presence extends Disposable {
  /** Id of this connection. It changes with each reconnect. */
  readonly self: string
  /** Members by id. It is always the same map, and changes with each join and leave. */
  readonly members: ReadonlyMap<string, Member>
  /** Calls `listener` with changes, which are batched for 100 ms. Returns an `unsubscribe` function. */
  subscribe(listener: (change: PresenceChange) => void): () => void
  /**
   * Joins the channel, across reconnects. Call it again to change the state. `state` is JSON of at most 1,024 bytes.
   * Resolves when the bridge has processed it. `members` contains it up to 100 ms later.
   * @throws SpanwireError (as rejection) `permission-denied`, and the errors of `publish`
   */
  join(state?: unknown, options?: JoinOptions): Promise<void>
  /** Leaves the channel, unless another part of the page has joined it. Changes are still reported. */
  leave(): Promise<void>
  /** Sends transient data to the current members, such as a typing indicator. Only members may send it. */
  signal(data: unknown): Promise<void>
  /** Calls `listener` with signals of members. Returns an `unsubscribe` function. */
  onSignal(listener: (signal: PresenceSignal) => void): () => void
  /** Leaves the channel and ends the subscription. Idempotent. */
  close(): void
}

/** Options of {@link Bus.presence}. */
export interface PresenceOptions {
  /** Called once if the channel ends for any reason other than `close`: `permission-denied`, `connection-closed`. */
  readonly onEnd?: ((error: Error) => void) | undefined
}

/**
 * Joins of each connection. A channel has one member for a connection, even if several parts of a page join it. The newest
 * join has priority. The connection leaves with the last of them.
 */
const joins = new WeakMap<Transport, Set<Joined>>()

/** Longest time for which a list waits for the join of this member, in ms. The bridge batches changes for 100 ms. */
const HOLD = 1_000

interface Joined {
  readonly channel: string
  readonly order: PresenceOrder
}

/**
 * Opens a channel. Resolves when the members are known.
 * @throws SpanwireError (as rejection) `invalid-argument` for a name that is not valid, `permission-denied`, `unsupported`
 * without a bridge
 */
export async function openPresence(
  transport: Transport,
  channel: string,
  { onEnd }: PresenceOptions = {},
): Promise<Presence> {
  if (!isChannel(channel))
    throw new SpanwireError(
      'invalid-argument',
      `${JSON.stringify(channel)} is not a valid channel: use a NATS subject without wildcards.`,
    )
  const subject = presenceSubject(channel)
  const all = joinsOf(transport)
  const newest = () => [...all].findLast((one) => one.channel === channel)
  const members = new Map<string, Member>()
  const changes = new Listeners<PresenceChange>()
  const signals = new Listeners<PresenceSignal>()
  const known = createDeferred()
  let self = ''
  /** An incomplete list of members. */
  let listed: Map<string, Member> | undefined
  /** A complete list without this member, whose join the new connection has not processed yet. */
  let held: Map<string, Member> | undefined
  let holding: ReturnType<typeof setTimeout> | undefined
  let joined: Joined | undefined
  /** The join that the bridge has processed. It is valid until the bridge has processed a later one. */
  let confirmed: Joined | undefined
  let isKnown = false

  const change = (now: readonly Member[], gone: Iterable<string>) => {
    const left = [...gone].flatMap((id) => members.get(id) ?? [])
    for (const { id } of left) members.delete(id)
    for (const member of now) members.set(member.id, member)
    if (now.length + left.length > 0) changes.emit({ joined: now, left }, report)
  }
  const drop = () => {
    clearTimeout(holding)
    held = undefined
  }
  /** Replaces the members. */
  const replace = (now: ReadonlyMap<string, Member>) => {
    drop()
    const same = (member: Member) => JSON.stringify(members.get(member.id)) === JSON.stringify(member)
    change(
      [...now.values()].filter((member) => !same(member)),
      [...members.keys()].filter((id) => !now.has(id)),
    )
  }
  function take(news: PresenceNews): void {
    if (news.kind === 'signal') {
      const { id, data } = news
      return signals.emit({ id, member: members.get(id) ?? news.member, data }, report)
    }
    if (news.kind === 'changes') {
      if (!held) return change(news.joined, news.left)
      for (const id of news.left) held.delete(id)
      for (const member of news.joined) held.set(member.id, member)
      if (held.has(self)) replace(held)
      return
    }
    self = news.you
    listed ??= new Map()
    for (const member of news.members) listed.set(member.id, member)
    if (news.more) return
    const now = listed
    listed = undefined
    drop()
    // After a reconnect the bridge sends the list before it processes the join. The roster must not lose this member.
    if (isKnown && joined?.order.do === 'join' && !joined.order.hidden && !now.has(self)) {
      held = now
      holding = setTimeout(replace, HOLD, now)
    } else replace(now)
    known.resolve()
  }

  const subscription = transport.subscribe(subject, {
    message: ({ payload }) => take(JSON.parse(decode(payload))),
    ended(error) {
      known.reject(error)
      if (error && isKnown && onEnd) guard(onEnd, report, [error])
    },
  })
  const send = (order: PresenceOrder) => transport.publish(subject, encode(JSON.stringify(order)))
  const stop = transport.onStatus(({ state, reason }) => {
    // The rest of a list is lost with its connection.
    if (state === 'reconnecting' && reason?.code !== 'upstream-unavailable') {
      listed = undefined
      drop()
    }
    // A new connection or another hub does not have this member.
    if (state === 'open' && joined && joined === newest()) send(joined.order).catch(() => {})
    if (state === 'open' && transport.edge === false) known.reject(withoutBridge())
  })
  if (transport.edge === false) known.reject(withoutBridge())
  const leave = async () => {
    if (!joined) return
    const isNewest = joined === newest()
    all.delete(joined)
    if (confirmed) all.delete(confirmed)
    joined = confirmed = undefined
    if (isNewest) await send(newest()?.order ?? { do: 'leave' })
  }
  const close = () => {
    stop()
    drop()
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
        await send(now.order)
      } catch (error) {
        all.delete(now)
        // The bridge still has the confirmed one.
        if (joined === now) joined = confirmed
        throw error
      }
      // `leave` was called in the meantime.
      if (!all.has(now)) return
      if (confirmed) all.delete(confirmed)
      confirmed = now
    },
    leave,
    signal: (data) => send({ do: 'signal', data }),
    onSignal: (listener) => signals.add(listener),
    close,
    [DISPOSE]: close,
  }
}

function joinsOf(transport: Transport): Set<Joined> {
  const all = joins.get(transport) ?? new Set()
  joins.set(transport, all)
  return all
}

function withoutBridge(): SpanwireError {
  return new SpanwireError('unsupported', 'Presence requires a bridge: nats-server does not support it.')
}
