import { isSpanwireError, type SpanwireErrorCode } from '../../../sdk/wire/errors.ts'

/** Exit codes of every command. Scripts may rely on them; bridge/cli/README.md has the same table. */
export const EXIT = {
  /** The command succeeded. */
  done: 0,
  /** A check answered no: a destructive plan, an incompatible contract, a fault that `doctor` found. */
  failedCheck: 1,
  /** A bad flag, value, file or configuration. No message was sent. */
  usage: 2,
  /** The bridge, NATS or a responder is out of reach, or gave no answer in time. */
  unreachable: 3,
  /** The credentials are refused, or do not permit this. */
  refused: 4,
  /** The server refused the operation for another reason. */
  rejected: 5,
  /** A fault of this program. EX_SOFTWARE of sysexits.h. */
  internal: 70,
} as const

const BY_CODE: Partial<Record<SpanwireErrorCode, number>> = {
  'invalid-argument': EXIT.usage,
  'invalid-subject': EXIT.usage,
  'invalid-params': EXIT.usage,
  'invalid-header': EXIT.usage,
  'invalid-data': EXIT.usage,
  'unknown-event': EXIT.usage,
  unsupported: EXIT.usage,
  'connection-refused': EXIT.unreachable,
  'connection-lost': EXIT.unreachable,
  'upstream-unavailable': EXIT.unreachable,
  'no-responders': EXIT.unreachable,
  timeout: EXIT.unreachable,
  'authentication-failed': EXIT.refused,
  'permission-denied': EXIT.refused,
}

/** The exit code for an error that ended a command. */
export function exitCodeOf(error: unknown): number {
  if (!isSpanwireError(error)) return EXIT.internal
  return BY_CODE[error.code] ?? EXIT.rejected
}
