import type { StreamHandle } from '../contract/bus.ts'
import { isSpanwireError, SpanwireError } from '../wire/errors.ts'

/** State of a store's subscription. */
export interface SubscriptionState {
  /** Whether the requested events of the past were delivered, and new events are delivered. */
  readonly ready: boolean
  /**
   * The reason why the subscription ended: `permission-denied`, `stream-not-found`, `connection-closed`, or an error of the
   * call (`invalid-params`, `unknown-event`, `unsupported`). Undefined while it is active, also during a reconnect.
   */
  readonly error: SpanwireError | undefined
}

/** Initial state. */
export const UNKNOWN: SubscriptionState = { ready: false, error: undefined }

/** A subscription to the bus, and its state. */
export interface Follower {
  /** Current state. */
  readonly state: SubscriptionState
  /** Ends the subscription. */
  stop(): void
}

/** A subscription. `past` resolves when the events of the past were delivered. */
type Followed = Pick<StreamHandle, 'unsubscribe'> & { readonly past: Promise<void> }

/**
 * Subscribes and tracks the state of the subscription. Errors of the bus become the state's error.
 * @param subscribe receives the function for `onEnd`
 */
export function follow(subscribe: (onEnd: (error: Error) => void) => Followed, changed: () => void): Follower {
  let state = UNKNOWN
  let stopped = false
  const enter = (next: SubscriptionState) => {
    // Later errors are consequences of the first.
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
