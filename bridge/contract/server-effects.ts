import { natsHeaderLines } from '../auth/header-lines.ts'
import { isStoredQuery } from '../auth/header-permissions.ts'

/** Further subjects to which the headers of a message make nats-server, or a client of NATS, publish. */
export interface ServerEffects {
  /** A stream publishes the message to this subject later. */
  readonly target?: string | undefined
  /** The header of the target, if there are several. nats-server obeys one of them, and each check takes time. */
  readonly repeated?: string | undefined
  /** The stream publishes the last message of this subject in place of it. */
  readonly sources: readonly string[]
  /** Headers with a subject that gets reports or answers, which have no data of an event. */
  readonly reports: ReadonlyArray<readonly [name: string, subject: string]>
  /** No stream stores the message. Its publisher queries whether an earlier one was stored. */
  readonly isQuery: boolean
}

const NONE: ServerEffects = { sources: [], reports: [], isQuery: false }

/** Most messages have none of these headers, and their lines are not parsed. */
const EFFECT = /\r.nats-(?:schedule-|trace-dest|consumer-stalled|rollup)/is

/**
 * Reads them as {@link natsHeaderLines} does: nats-server obeys lines of a block that is not a valid header block.
 * @param text the block as text
 */
export function readEffects(block: Uint8Array, text: string): ServerEffects {
  if (!EFFECT.test(text)) return NONE
  const lines = [...natsHeaderLines(block)]
  const named = (...names: string[]) => lines.filter(({ name }) => names.includes(name.toLowerCase()))
  const [target, ...others] = named('nats-schedule-target')
  return {
    target: target?.value,
    repeated: others.length > 0 ? 'Nats-Schedule-Target' : undefined,
    sources: named('nats-schedule-source').map(({ value }) => value),
    reports: named('nats-trace-dest', 'nats-consumer-stalled').map(({ name, value }) => [name, value]),
    isQuery: isStoredQuery(lines),
  }
}
