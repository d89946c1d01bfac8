import type { StreamHandle } from '../contract/bus.ts'
import { isSpanwireError, SpanwireError } from '../wire/errors.ts'

/** How a store's subscription is. */
export interface SubscriptionState {
  /** Everything of the past that was asked for is here, and whatever is published from now on arrives. */
  readonly ready: boolean
  /**
   * Why nothing more comes: `permission-denied`, `stream-not-found`, `connection-closed`, or what the bus refuses at once
   * (`invalid-params`, `unknown-event`, `unsupported`). Undefined while all is well, which includes a lost connection:
   * that comes back by itself.
   */
  readonly error: SpanwireError | undefined
}

/** Before anything is known. */
export const UNKNOWN: SubscriptionState = { ready: false, error: undefined }

/** A subscription at the bus, and how it is. */
export interface Follower {
  readonly state: SubscriptionState
  stop(): void
}

/** What is followed: a handle of the bus. */
type Followed = Pick<StreamHandle, 'unsubscribe'> & { readonly past: Promise<void> }

/**
 * Subscribes and keeps track of what becomes of it. Never throws: what the bus throws is the state's error.
 * @param subscribe is given what to hand on as `onEnd`
 */
export function follow(subscribe: (onEnd: (error: Error) => void) => Followed, changed: () => void): Follower {
  let state = UNKNOWN
  let stopped = false
  const enter = (next: SubscriptionState) => {
    // The first error is the reason; what comes after it is a consequence.
    if (stopped || state.error) return
    state = next
    changed()
  }
  const fail = (cause: unknown) => enter({ ready: false, error: toSpanwireError(cause) })
  let followed: Followed | undefined
  try {
    followed = subscribe(fail)
    followed.past.then(() => enter({ ready: true, error: undefined }), fail)
  } catch (error) {
    fail(error)
  }
  return {
    get state() {
      return state
    },
    stop() {
      stopped = true
      followed?.unsubscribe()
    },
  }
}

function toSpanwireError(cause: unknown): SpanwireError {
  return isSpanwireError(cause) ? cause : new SpanwireError('connection-closed', 'The subscription ended.', { cause })
}
