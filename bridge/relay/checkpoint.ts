/** Checkpoints: the last message of each batch has the position of its lane. */
import type { JetStreamApi } from '../../sdk/jetstream/api.ts'
import { isWholeNumber, membersOf } from '../../sdk/kit/kinds.ts'
import { decode, encode } from '../../sdk/wire/bytes.ts'
import { percent } from './key-codings.ts'

/** The position up to which a lane is stored. */
export interface Checkpoint {
  /** The store that wrote it. */
  readonly owner: string
  /** The batch, the same for each attempt to store it. */
  readonly batch: string
  /** See `ForeignSource.epoch`. */
  readonly epoch: string
  /** The position of the last message that is stored or in the dead letter. Undefined if the lane has no positions. */
  readonly position?: number | undefined
}

/** A checkpoint in the stream. */
export interface StoredCheckpoint extends Checkpoint {
  /** Its sequence. The next checkpoint of the lane expects it to be the last on its subject. */
  readonly seq: number
}

/** The filter for checkpoints of a relay. Each lane has one subject. The stream of the relay keeps them. */
export function checkpointFilter(relay: string): string {
  return `$SPANWIRE.RELAY.${relay}.*`
}

/** The subject of a lane's checkpoint. */
export function checkpointSubject(relay: string, lane: string): string {
  return `$SPANWIRE.RELAY.${relay}.${percent.encode(lane)}`
}

/** Encodes a checkpoint as the payload of a message. */
export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  return encode(JSON.stringify(checkpoint))
}

/**
 * Reads the last checkpoint of a lane from the leader of the stream. Returns undefined if there is none.
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
    const { owner, batch, epoch, position } = membersOf(JSON.parse(decode(message.payload)))
    return {
      owner: String(owner),
      batch: String(batch),
      epoch: String(epoch),
      position: isWholeNumber(position) ? position : undefined,
      seq: message.seq,
    }
  } catch {
    return unknown
  }
}
