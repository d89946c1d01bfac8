/** Atomic batches: a stream stores all messages of a batch or none. Source: NATS ADR-50. nats-server 2.12 and later. */
import { randomToken } from '../kit/ids.ts'
import { isWholeNumber, membersOf } from '../kit/kinds.ts'
import type { Transport } from '../transport/transport.ts'
import { decode } from '../wire/bytes.ts'
import { isSpanwireError, SpanwireError } from '../wire/errors.ts'
import type { HeaderFields } from '../wire/headers.ts'

/** A message of a batch. */
export interface BatchItem {
  /** Subject to publish to. */
  readonly subject: string
  /** Headers. The batch adds its own. */
  readonly headers: HeaderFields
  /** Payload, unchanged. */
  readonly payload: Uint8Array
}

/** Messages of one batch: the limit of nats-server. */
export const MOST_IN_BATCH = 1_000
/** Time for the answer to a commit, in ms. A stream with a leader answers within milliseconds. */
const TIMEOUT = 5_000

/** The error of a batch that was not stored, or without an answer. */
interface BatchFailure {
  readonly kind: 'refused' | 'unknown'
  readonly error: SpanwireError
  /** Position of the message that was not sent. Undefined if the stream refused the batch. */
  readonly index: number | undefined
  /** Error of the stream. */
  readonly errCode: number
}

/**
 * The result of a batch.
 *
 * - `stored`: stored, with the sequence of its last message
 * - `conflict`: not stored, as an expected sequence did not match
 * - `duplicate`: not stored, as the stream has a message with the id of one of them
 * - `disabled`: not stored, as the stream does not allow batches
 * - `refused`: not stored for another reason, such as a full stream. Another attempt may succeed
 * - `unknown`: no answer. The batch may be stored
 */
export type BatchResult =
  | { readonly kind: 'stored'; readonly stream: string; readonly seq: number }
  | { readonly kind: 'conflict' | 'duplicate' | 'disabled'; readonly text: string }
  | BatchFailure

/** Results by `err_code`. Source: nats-server's errors.json. */
const RESULTS: Readonly<Record<number, 'conflict' | 'duplicate' | 'disabled'>> = {
  10071: 'conflict',
  10164: 'conflict',
  10174: 'disabled',
  10201: 'duplicate',
}

/** The message of a batch that could not be sent. */
interface Unsent {
  readonly index: number
  readonly error: unknown
}

/** A batch whose messages are sent, except the last one. The stream keeps none of them before the commit. */
export interface OpenBatch {
  /** Sends the last message, which commits the batch. Never rejects. */
  commit(last: BatchItem): Promise<BatchResult>
}

/** Sends the messages of a batch, except the last one. nats-server drops a batch without a message for 10 s. */
export function openBatch(transport: Transport, items: readonly BatchItem[]): OpenBatch {
  const id: HeaderFields[number] = ['Nats-Batch-Id', randomToken(20)]
  let unsent: Unsent | undefined
  const send = async ({ subject, payload, headers }: BatchItem, index: number) => {
    const numbered: HeaderFields = [...headers, id, ['Nats-Batch-Sequence', String(index + 1)]]
    try {
      await transport.publish(subject, payload, { headers: numbered })
    } catch (error) {
      unsent ??= { index, error }
    }
  }
  const inOrder = async () => {
    for (const [index, item] of items.entries()) if (!unsent) await send(item, index)
  }
  const sent = transport.unordered ? inOrder() : void items.forEach(send)
  return {
    async commit({ subject, payload, headers }) {
      await sent
      const number = String(items.length + 1)
      const final: HeaderFields = [...headers, id, ['Nats-Batch-Sequence', number], ['Nats-Batch-Commit', '1']]
      try {
        const answer = await transport.request(subject, payload, { headers: final, timeout: TIMEOUT })
        return readAnswer(JSON.parse(decode(answer.payload)), unsent)
      } catch (error) {
        const isRefused = isSpanwireError(error, 'permission-denied') || isSpanwireError(error, 'payload-too-large')
        const fault = unsent ?? { index: isRefused ? items.length : undefined, error }
        return { kind: unsent || isRefused ? 'refused' : 'unknown', ...toFailure(fault) }
      }
    },
  }
}

/** Publishes a batch of at least one message. Never rejects. */
export function publishBatch(transport: Transport, items: readonly BatchItem[]): Promise<BatchResult> {
  return openBatch(transport, items.slice(0, -1)).commit(items.at(-1) as BatchItem)
}

function readAnswer(answer: unknown, unsent: Unsent | undefined): BatchResult {
  const { error, seq, stream } = membersOf(answer)
  if (!error && isWholeNumber(seq)) return { kind: 'stored', stream: String(stream), seq }
  const { err_code, description } = membersOf(error)
  const [errCode, text] = [Number(err_code) || 0, String(description ?? 'no readable answer')]
  const known = RESULTS[errCode]
  if (known) return { kind: known, text }
  // The batch is incomplete if the client did not send one of its messages. The error of that message has the reason.
  if (unsent) return { kind: 'refused', ...toFailure(unsent), errCode }
  const refused = new SpanwireError('stream-refused', `The stream refuses a batch: ${text}.`)
  return { kind: 'refused', error: refused, index: undefined, errCode }
}

function toFailure({
  index,
  error,
}: {
  readonly index: number | undefined
  readonly error: unknown
}): Omit<BatchFailure, 'kind'> {
  return {
    error: isSpanwireError(error)
      ? error
      : new SpanwireError('connection-lost', 'The batch was not sent.', { cause: error }),
    index,
    errCode: 0,
  }
}
