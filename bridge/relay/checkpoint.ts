/** The last message of each batch: how far a lane is stored, and which relay stored it. */
import type { JetStreamApi } from '../../sdk/jetstream/api.ts'
import { decode, encode } from '../../sdk/wire/bytes.ts'
import { percent } from './key-codings.ts'

/** How far a lane is stored. */
export interface Checkpoint {
  /** The process that stored it. */
  readonly owner: string
  /** The batch, the same for each attempt to store it. */
  readonly batch: string
  /** See `ForeignSource.epoch`. */
  readonly epoch: string
  /** The position of the last message that is done. Undefined where lanes have no positions. */
  readonly position?: number | undefined
}

/** A checkpoint in the stream. */
export interface StoredCheckpoint extends Checkpoint {
  /** Its sequence. The next checkpoint of the lane expects it to be the last on its subject. */
  readonly seq: number
}

/** The subjects of a relay's checkpoints, one for each lane. The relay's stream keeps them. */
export function checkpointFilter(relay: string): string {
  return `$SPANWIRE.RELAY.${relay}.*`
}

/** The subject of a lane's checkpoint. */
export function checkpointSubject(relay: string, lane: string): string {
  return `$SPANWIRE.RELAY.${relay}.${percent.encode(lane)}`
}

/** A checkpoint as the payload of a message. */
export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  return encode(JSON.stringify(checkpoint))
}

/**
 * The last checkpoint of a lane, as the stream's leader has it; undefined if there is none.
 * @throws SpanwireError the errors of {@link JetStreamApi.message}
 */
export async function readCheckpoint(
  api: JetStreamApi,
  stream: string,
  subject: string,
): Promise<StoredCheckpoint | undefined> {
  const message = await api.message(stream, { last_by_subj: subject })
  if (!message) return undefined
  const unknown: StoredCheckpoint = { owner: '', batch: '', epoch: '', seq: message.seq }
  try {
    const { owner, batch, epoch, position } = Object(JSON.parse(decode(message.payload))) as Record<string, unknown>
    return {
      owner: String(owner),
      batch: String(batch),
      epoch: String(epoch),
      position: Number.isSafeInteger(position) ? (position as number) : undefined,
      seq: message.seq,
    }
  } catch {
    return unknown
  }
}
