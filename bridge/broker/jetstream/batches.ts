import type { UpstreamMessage } from '../../upstream/upstream.ts'
import type { PublishRules } from './admission.ts'
import { apiErrors } from './api-error.ts'

/** Headers of a message of an atomic batch (ADR-50). */
export interface BatchHeaders {
  /** `Nats-Batch-Id` */
  readonly id: string
  /** `Nats-Batch-Sequence`. NaN if it is missing or malformed. */
  readonly seq: number
  /** `Nats-Batch-Commit` */
  readonly commit?: string
}

/** A message with the conditions of its headers. */
export interface RuledMessage {
  readonly message: UpstreamMessage
  readonly rules: PublishRules
}

/** Messages of a batch that is not committed. */
interface OpenBatch {
  readonly messages: RuledMessage[]
  bytes: number
  /** Time of the last message. */
  touched: number
}

/** Limits of nats-server. */
const MAX_BATCHES = 50
const MAX_MESSAGES = 1_000
const MAX_ID = 64
const IDLE = 10_000
/** Approximate memory of a message in addition to its bytes. */
const OVERHEAD = 200

/** The open batches of a stream. */
export class Batches {
  readonly #open = new Map<string, OpenBatch>()
  readonly #reserve: (bytes: number) => void

  /** @param reserve counts memory. Throws ApiError if there is none; negative to release */
  constructor(reserve: (bytes: number) => void) {
    this.#reserve = reserve
  }

  /**
   * Adds a message. Returns the messages of the batch if it commits the batch.
   * @throws ApiError The batch is then abandoned
   */
  take(given: RuledMessage, { id, seq, commit }: BatchHeaders, now: number): readonly RuledMessage[] | undefined {
    this.expire(now)
    if (id.length > MAX_ID) throw apiErrors.batchIdInvalid()
    if (!(seq >= 1)) throw this.#abandon(id, apiErrors.batchSequenceMissing())
    if (seq === 1) {
      this.#abandon(id)
      if (this.#open.size >= MAX_BATCHES) throw apiErrors.tooManyBatches()
      this.#open.set(id, { messages: [], bytes: 0, touched: now })
    }
    const batch = this.#open.get(id)
    if (batch?.messages.length !== seq - 1) throw this.#abandon(id, apiErrors.batchIncomplete())
    if (seq > MAX_MESSAGES) throw this.#abandon(id, apiErrors.batchTooLarge(MAX_MESSAGES))
    if (commit !== undefined && commit !== '1' && commit !== 'eob')
      throw this.#abandon(id, apiErrors.batchCommitInvalid())
    batch.touched = now
    if (commit === 'eob') return this.#commit(id, batch)
    if (commit === '1') return [...this.#commit(id, batch), given]
    this.#add(id, batch, given)
    return undefined
  }

  /** Abandons batches without a message for 10 s. */
  expire(now: number): void {
    for (const [id, { touched }] of this.#open) if (now - touched > IDLE) this.#abandon(id)
  }

  clear(): void {
    for (const id of [...this.#open.keys()]) this.#abandon(id)
  }

  #add(id: string, batch: OpenBatch, { message, rules }: RuledMessage): void {
    const { subject, headers, payload } = message
    const bytes = subject.length + (headers?.length ?? 0) + payload.length + OVERHEAD
    try {
      this.#reserve(bytes)
    } catch (error) {
      this.#abandon(id)
      throw error
    }
    batch.bytes += bytes
    // Copies: the bytes may be a view of a larger buffer, or be reused.
    const copy = { subject, payload: payload.slice(), ...(headers && { headers: headers.slice() }) }
    batch.messages.push({ message: copy, rules })
  }

  #commit(id: string, { messages }: OpenBatch): readonly RuledMessage[] {
    this.#abandon(id)
    return messages
  }

  #abandon<Reason>(id: string, reason?: Reason): Reason | undefined {
    const batch = this.#open.get(id)
    if (batch) this.#reserve(-batch.bytes)
    this.#open.delete(id)
    return reason
  }
}

/**
 * Checks conditions between the messages of a batch. Others are compared with the stream before the batch. Throws ApiError.
 * @param lastSeq of the stream
 */
export function checkBatch(batch: readonly RuledMessage[], lastSeq: number): void {
  const subjects = new Set<string>()
  const ids = new Set<string>()
  for (const [index, { message, rules }] of batch.entries()) {
    const { id, rollup } = rules
    if (rules.lastId !== undefined) throw apiErrors.batchHeader('Nats-Expected-Last-Msg-Id')
    if (rules.lastSeq !== undefined && index > 0) throw apiErrors.wrongLastSequence(lastSeq)
    if (rules.lastSubjectSeq !== undefined && subjects.has(message.subject)) throw apiErrors.wrongSequenceInBatch()
    if (rollup !== undefined && (rollup === 'all' ? index > 0 : subjects.has(message.subject)))
      throw apiErrors.batchRollup()
    if (id !== undefined && ids.has(id)) throw apiErrors.batchDuplicate()
    subjects.add(message.subject)
    if (id !== undefined) ids.add(id)
  }
}
