/** Atomic batches: a stream stores all messages of a batch or none. Source: NATS ADR-50. nats-server 2.12 and later. */
import { randomToken } from '../../sdk/kit/ids.ts'
import { isWholeNumber, membersOf } from '../../sdk/kit/kinds.ts'
import type { Transport } from '../../sdk/transport/transport.ts'
import { decode } from '../../sdk/wire/bytes.ts'
import { isSpanwireError, SpanwireError } from '../../sdk/wire/errors.ts'
import type { HeaderFields } from '../../sdk/wire/headers.ts'

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
  | { readonly kind: 'stored'; readonly seq: number }
  | { readonly kind: 'conflict' | 'duplicate' | 'disabled' }
  | { readonly kind: 'refused' | 'unknown'; readonly error: SpanwireError }

/** Results by `err_code`. Source: nats-server's errors.json. */
const RESULTS: Readonly<Record<number, 'conflict' | 'duplicate' | 'disabled'>> = {
  10071: 'conflict',
  10164: 'conflict',
  10174: 'disabled',
  10201: 'duplicate',
}

/** A batch whose messages are sent, except the last one. The stream keeps none of them before the commit. */
export interface OpenBatch {
  /** Sends the last message, which commits the batch. Never rejects. */
  commit(last: BatchItem): Promise<BatchResult>
}

/** Sends the messages of a batch, except the last one. nats-server drops a batch without a message for 10 s. */
export function openBatch(transport: Transport, items: readonly BatchItem[]): OpenBatch {
  const id: HeaderFields[number] = ['Nats-Batch-Id', randomToken(20)]
  let failure: unknown
  items.forEach(({ subject, payload, headers }, index) => {
    const numbered: HeaderFields = [...headers, id, ['Nats-Batch-Sequence', String(index + 1)]]
    transport.publish(subject, payload, { headers: numbered }).catch((error) => {
      failure ??= error
    })
  })
  return {
    async commit({ subject, payload, headers }) {
      const number = String(items.length + 1)
      const final: HeaderFields = [...headers, id, ['Nats-Batch-Sequence', number], ['Nats-Batch-Commit', '1']]
      try {
        const answer = await transport.request(subject, payload, { headers: final, timeout: TIMEOUT })
        return readAnswer(JSON.parse(decode(answer.payload)), failure)
      } catch (error) {
        return { kind: 'unknown', error: toError(failure ?? error) }
      }
    },
  }
}

function readAnswer(answer: unknown, failure: unknown): BatchResult {
  const { error, seq } = membersOf(answer)
  if (!error && isWholeNumber(seq)) return { kind: 'stored', seq }
  const { err_code, description = 'no readable answer' } = membersOf(error)
  const known = RESULTS[Number(err_code)]
  if (known) return { kind: known }
  // The batch is incomplete if the client did not send one of its messages. The error of that message has the reason.
  if (failure) return { kind: 'refused', error: toError(failure) }
  return { kind: 'refused', error: new SpanwireError('stream-refused', `The stream refuses a batch: ${description}.`) }
}

function toError(error: unknown): SpanwireError {
  return isSpanwireError(error)
    ? error
    : new SpanwireError('connection-lost', 'The batch was not sent.', { cause: error })
}
