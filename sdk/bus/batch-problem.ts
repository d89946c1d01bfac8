/** Why a batch was refused: the event and the reason. */
import type { BatchProblem } from '../contract/batch.ts'
import { JetStreamApi } from '../jetstream/api.ts'
import type { Transport } from '../transport/transport.ts'
import { transportLink } from '../transport/transport-link.ts'
import { isSpanwireError, SpanwireError } from '../wire/errors.ts'
import type { BatchResult } from './atomic-batch.ts'
import type { BatchMember } from './batch.ts'
import { remedyOf } from './publish-answer.ts'
import { ELECTION } from './publish-order.ts'
import { findStored } from './stored-ids.ts'

/** Time for a read of a last sequence, in ms. */
const LOOKUP = 1_000
/** JetStream's `err_code`s after which another attempt may succeed: not ready, an incomplete batch, too many batches. */
const TEMPORARY = [10008, 10158, 10163, 10167, 10176, 10210]
/** Errors of a message after which the whole batch is sent again. */
const LOST: readonly string[] = [
  'connection-lost',
  'upstream-unavailable',
  'connection-refused',
  'offline-queue-full',
  'rate-limited',
  'timeout',
  'no-responders',
]

/** An attempt that stored nothing, or has no answer. */
export interface Attempt {
  readonly result: Exclude<BatchResult, { kind: 'stored' }>
  readonly members: readonly BatchMember[]
  readonly stream: string
  /** When the first attempt began, on the clock of `performance`. */
  readonly since: number
}

/** The error of an attempt, with the event that caused it. */
export async function diagnose(
  transport: Transport,
  { result, members, stream, since }: Attempt,
): Promise<SpanwireError> {
  if ('text' in result) {
    const { kind, text } = result
    if (kind === 'disabled') return whole(new SpanwireError('stream-refused', remedyOf(10174, stream) ?? text))
    if (kind === 'conflict') {
      const error = new SpanwireError(
        'wrong-last-sequence',
        `${text}. Read again, and retry with the current sequence.`,
      )
      const member = await findConflict(transport, { result, members, stream, since }, text)
      return member ? problem(error, member) : whole(error)
    }
    const error = new SpanwireError('stream-refused', 'the stream has an event with its id.')
    const stored = await findStored(transport, members)
    const member = members.find((one) => stored.has(one))
    return member ? problem(error, member) : whole(error)
  }
  const { error, index, errCode } = result
  const member = index === undefined ? undefined : members[index]
  if (member) return problem(error, member)
  if (isSpanwireError(error, 'no-responders') && performance.now() - since >= ELECTION)
    return new SpanwireError('stream-not-found', `No stream stores the batch: create ${stream} with ensureStreams.`)
  const text = remedyOf(errCode, stream)
  return text === undefined ? whole(error) : whole(new SpanwireError('stream-refused', text))
}

/** Whether another attempt may succeed. */
export function isTransient(result: Attempt['result'], { code }: SpanwireError): boolean {
  if (result.kind !== 'unknown' && result.kind !== 'refused') return false
  // With an index, one message was refused, which makes the batch incomplete.
  return (result.index === undefined && TEMPORARY.includes(result.errCode)) || LOST.includes(code)
}

/** The error of a batch, because of one event. */
export function problem(error: SpanwireError, { index, name, subject }: Omit<BatchProblem, 'problem'>): SpanwireError {
  const cause: BatchProblem = { index, name, subject, problem: error.message }
  const { issues } = error
  return new SpanwireError(
    error.code,
    `No event of the batch was stored. Event ${index} (${name}, ${subject}): ${error.message}`,
    { cause, ...(issues && { issues }) },
  )
}

function whole(error: SpanwireError): SpanwireError {
  return new SpanwireError(error.code, `No event of the batch was stored: ${error.message}`, { cause: error })
}

/**
 * Finds the event whose expected sequence did not match. The stream reports a sequence, but not the event. If several are
 * possible, their last sequences are read, for which the client needs permission. Undefined if it remains unknown.
 */
async function findConflict(transport: Transport, { members, stream }: Attempt, text: string) {
  const [, reported] = /: (\d+)$/.exec(text) ?? []
  const possible = members.filter(({ expected }) => expected !== undefined && String(expected) !== reported)
  if (possible.length < 2) return possible[0]
  const api = new JetStreamApi(transportLink(transport), { timeout: LOOKUP })
  for (const member of possible) {
    try {
      const last = member.isOfStream
        ? (await api.streamState(stream))?.lastSeq
        : ((await api.lastMessage(stream, member.subject))?.seq ?? 0)
      if (last !== undefined && last !== member.expected) return member
    } catch {
      return undefined
    }
  }
  return undefined
}
