import type { Bus } from '../contract/bus.ts'
import type { Presence } from '../presence/presence.ts'
import type { Member } from '../wire/presence-frames.ts'
import { createStore, type Store } from './create-store.ts'
import { follow, type SubscriptionState, UNKNOWN } from './subscription-state.ts'

/** Snapshot of {@link presenceStore}. */
export interface PresenceState extends SubscriptionState {
  /** Members by id. The same map until it changes. */
  readonly members: ReadonlyMap<string, Member>
  /** The channel, for `join`, `leave` and `signal`. Undefined until the members are known. */
  readonly presence: Presence | undefined
}

/**
 * A store with the members of a presence channel. It does not join the channel: call `presence.join` for that.
 *
 * @example
 *     const room = presenceStore(bus, 'room.42')
 *     const unsubscribe = room.subscribe(() => render(room.getSnapshot().members))
 */
export function presenceStore<Contract>(bus: Pick<Bus<Contract>, 'presence'>, channel: string): Store<PresenceState> {
  const initial: PresenceState = { ...UNKNOWN, members: new Map(), presence: undefined }
  return createStore<PresenceState>(initial, (changed) => {
    let presence: Presence | undefined
    let { members } = initial
    let isNew = false
    let isOver = false
    const open = async (onEnd: (error: Error) => void) => {
      const opened = await bus.presence(channel, { onEnd })
      if (isOver) return opened.close()
      presence = opened
      isNew = true
      opened.subscribe(() => {
        isNew = true
        changed()
      })
    }
    const unsubscribe = () => {
      isOver = true
      presence?.close()
    }
    const follower = follow((onEnd) => ({ past: open(onEnd), unsubscribe }), changed)
    return {
      read() {
        if (isNew && presence) members = new Map(presence.members)
        isNew = false
        return { ...follower.state, members, presence }
      },
      stop: follower.stop,
    }
  })
}
