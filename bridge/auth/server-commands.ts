import { decode } from '../../sdk/wire/bytes.ts'
import { natsHeaderLines } from './header-lines.ts'
import { NATS_HEADERS } from './nats-headers.ts'

/** The broker's version, as in its INFO. */
interface BrokerVersion {
  readonly version?: string
  readonly apiLevel?: number
}

/** A message of an atomic batch (ADR-50). */
export interface BatchPart {
  readonly id: string
  /** Number of the message in the batch. NaN if it is missing or malformed. */
  readonly seq: number
  readonly commits: boolean
}

/** What the headers of a message order, beyond its delivery. */
export interface ServerCommands {
  /** The batch that the message belongs to. */
  readonly batch?: BatchPart
  /** Why the broker would ignore a header, and store the message without its effect. */
  readonly ignored?: string
}

/** Headers that change whether, when or for how long a message is stored. An older server ignores them silently. */
const ORDERS = /^nats-(ttl|incr|batch-.*|schedule.*)$/
/** A line with one of them. Most messages have none, and their lines are not read one by one. */
const COMMAND = /\r.nats-(ttl|incr|batch|schedule)/is
/** Levels of JetStream's API by release of nats-server (ADR-44). */
const LEVELS: Readonly<Record<string, number>> = { '2.11': 1, '2.12': 2, '2.14': 4 }
const NONE: ServerCommands = {}

/** Reads the commands of a header block. @param info of the broker; nothing is ignored while its version is unknown */
export function readCommands(block: Uint8Array, { version, apiLevel = 0 }: BrokerVersion): ServerCommands {
  if (!COMMAND.test(decode(block))) return NONE
  let ignored: string | undefined
  let [id, sequence, commits]: [string | undefined, string, boolean] = [undefined, '', false]
  for (const { name, value } of natsHeaderLines(block)) {
    const lower = name.toLowerCase()
    if (!ORDERS.test(lower)) continue
    const { since = '' } = NATS_HEADERS.get(lower) ?? {}
    if (version !== undefined && (LEVELS[since] ?? 0) > apiLevel)
      ignored ??= `${name}, which requires nats-server ${since} (this one is ${version})`
    if (name === 'Nats-Batch-Id') id ??= value
    else if (name === 'Nats-Batch-Sequence') sequence ||= value
    else if (name === 'Nats-Batch-Commit') commits = true
  }
  const seq = /^\d{1,9}$/.test(sequence) ? Number(sequence) : Number.NaN
  return { ...(id && { batch: { id, seq, commits } }), ...(ignored !== undefined && { ignored }) }
}
