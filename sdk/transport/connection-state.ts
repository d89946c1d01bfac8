import type { ConnectionState } from './transport.ts'

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

const after: Readonly<Record<ConnectionInput, Phase>> = {
  ready: 'open',
  stall: 'stalled',
  lost: 'reconnecting',
  end: 'closed',
}

/** Where a connection goes: what is closed stays so, and what was never connected isn't reconnecting. */
export function transition(phase: Phase, input: ConnectionInput): Phase {
  return phase === 'closed' || (phase === 'connecting' && input === 'lost') ? phase : after[input]
}

/** What users see of a phase. */
export function toState(phase: Phase): ConnectionState {
  return phase === 'stalled' ? 'reconnecting' : phase
}
