/** The stream that a relay writes to: whether it can store batches, and what is needed for that. */
import type { JetStreamApi, StreamState } from '../../sdk/jetstream/api.ts'
import { isSpanwireError, SpanwireError } from '../../sdk/wire/errors.ts'
import { isSubsetFilter } from '../../sdk/wire/subject.ts'
import { checkpointFilter } from './checkpoint.ts'

/** How messages are stored: in atomic batches with a checkpoint, or one by one with message ids. */
export type StoreMode = 'batches' | 'ids'

/** What a relay knows of its stream. */
export interface TargetStream {
  readonly name: string
  readonly mode: StoreMode
  /** Why it is not `batches`. */
  readonly why: string | undefined
  /** How long ids are remembered, in ms. */
  readonly duplicateWindow: number
  /** The largest message that the stream takes, in bytes. */
  readonly maxMessageSize: number
}

/** Batches came with 2.12. */
const OLDEST = [2, 12] as const

/**
 * Reads a stream's configuration, and changes it for batches if that is permitted: `allow_atomic`, and one more subject for
 * the relay's checkpoints.
 * @throws SpanwireError `stream-not-found`, and what {@link JetStreamApi} throws
 */
export async function prepareStream(api: JetStreamApi, name: string, relay: string): Promise<TargetStream> {
  const state = await api.streamState(name)
  if (!state)
    throw new SpanwireError(
      'stream-not-found',
      `There is no stream ${name}. Make it with ensureStreams, then try again.`,
    )
  const { config } = state
  const maxSize = Number(config.max_msg_size)
  const known = {
    name,
    duplicateWindow: Number(config.duplicate_window ?? 0) / 1e6,
    maxMessageSize: maxSize > 0 ? maxSize : Number.POSITIVE_INFINITY,
  }
  const why = whyNoBatches(state) ?? (isPrepared(state, relay) ? undefined : await change(api, state, relay))
  return { ...known, mode: why === undefined ? 'batches' : 'ids', why }
}

function whyNoBatches({ config, name }: StreamState): string | undefined {
  const version = String(Object(config.metadata)['_nats.ver'] ?? '')
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]))
    return `nats-server ${version || 'before 2.11'} has no atomic batches (2.12 has)`
  // With other policies a checkpoint, which has no consumer, would go at once or stay for ever.
  if (config.retention !== 'limits') return `the stream ${name} has retention ${config.retention}`
  return undefined
}

function isPrepared({ config, subjects }: StreamState, relay: string): boolean {
  return config.allow_atomic === true && subjects.some((one) => isSubsetFilter(checkpointFilter(relay), one))
}

/** Returns the reason if the stream stays without batches. */
async function change(api: JetStreamApi, { config, subjects, name }: StreamState, relay: string) {
  const subject = checkpointFilter(relay)
  const kept = subjects.some((one) => isSubsetFilter(subject, one)) ? subjects : [...subjects, subject]
  const needed = `allow_atomic and the subject ${subject}`
  try {
    await api.updateStream({ ...config, allow_atomic: true, subjects: kept })
  } catch (error) {
    if (isSpanwireError(error, 'stream-conflict') || isSpanwireError(error, 'permission-denied'))
      return `the stream ${name} lacks ${needed}, and cannot be changed: ${error.message}`
    throw error
  }
  const changed = await api.streamState(name)
  return changed && isPrepared(changed, relay) ? undefined : `the stream ${name} did not take ${needed}`
}
