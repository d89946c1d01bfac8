/** The stream that a relay writes to, and its support of atomic batches. */
import type { JetStreamApi, StreamState } from '../../sdk/jetstream/api.ts'
import { isSpanwireError, SpanwireError } from '../../sdk/wire/errors.ts'
import { isSubsetFilter } from '../../sdk/wire/subject.ts'
import { checkpointFilter } from './checkpoint.ts'

/** The way to store: atomic batches with a checkpoint, or single messages with ids. */
export type StoreMode = 'batches' | 'ids'

/** Properties of the stream of a relay. */
export interface TargetStream {
  /** The stream's name. */
  readonly name: string
  /** The way to store. */
  readonly mode: StoreMode
  /** The reason for `ids`. Undefined for `batches`. */
  readonly why: string | undefined
  /** The duplicate window, in ms. */
  readonly duplicateWindow: number
  /** The limit of the stream for one message, in bytes. */
  readonly maxMessageSize: number
}

/** The oldest nats-server with atomic batches. */
const OLDEST = [2, 12] as const

/**
 * Reads a stream's configuration. If permitted, adds `allow_atomic` and the subject of the relay's checkpoints.
 * @throws SpanwireError (as rejection) `stream-not-found`, and the errors of {@link JetStreamApi}
 */
export async function prepareStream(api: JetStreamApi, name: string, relay: string): Promise<TargetStream> {
  const state = await api.streamState(name)
  if (!state)
    throw new SpanwireError(
      'stream-not-found',
      `The stream ${name} does not exist. Create it with ensureStreams, then restart the relay.`,
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
  // With other policies a checkpoint, which has no consumer, would be removed at once or kept forever.
  if (config.retention !== 'limits') return `the stream ${name} has retention ${config.retention}`
  return undefined
}

function isPrepared({ config, subjects }: StreamState, relay: string): boolean {
  return config.allow_atomic === true && subjects.some((one) => isSubsetFilter(checkpointFilter(relay), one))
}

/** Changes the stream. Returns the reason if it still has no batches. */
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
  return changed && isPrepared(changed, relay) ? undefined : `the stream ${name} did not accept ${needed}`
}
