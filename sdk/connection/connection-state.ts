import type { ConnectionState } from '../transport/transport.ts'

/** {@link ConnectionState}, and `stalled`: the bridge is there, and has lost NATS. */
export type Phase = ConnectionState | 'stalled'

/**
 * What can happen to a connection.
 *
 * - `ready`: subscriptions are restored and NATS is within reach
 * - `stall`: the bridge says that it has lost NATS
 * - `lost`: the socket ended, or an attempt to connect failed
 * - `end`: closed by the user, or refused for good
 */
export type ConnectionInput = 'ready' | 'stall' | 'lost' | 'end'

/** Where a connection goes, for every phase and every input. */
export const transitions: Readonly<Record<Phase, Readonly<Record<ConnectionInput, Phase>>>> = {
  connecting: { ready: 'open', stall: 'stalled', lost: 'connecting', end: 'closed' },
  open: { ready: 'open', stall: 'stalled', lost: 'reconnecting', end: 'closed' },
  stalled: { ready: 'open', stall: 'stalled', lost: 'reconnecting', end: 'closed' },
  reconnecting: { ready: 'open', stall: 'stalled', lost: 'reconnecting', end: 'closed' },
  closed: { ready: 'closed', stall: 'closed', lost: 'closed', end: 'closed' },
}

/** What users see of a phase. */
export function toState(phase: Phase): ConnectionState {
  return phase === 'stalled' ? 'reconnecting' : phase
}
