/** The entry `spanwire/streams`: creates and changes the streams of a contract, as a part of its deployment. */
import { type Events, readEvent } from '../contract/contract.ts'
import { JetStreamApi, type StreamConfig, type StreamState } from '../jetstream/api.ts'
import { isJetStreamName } from '../jetstream/name.ts'
import type { NatsConnectionLike } from '../transport/nats/nats-connection.ts'
import { toTransport } from '../transport/nats/nats-transport.ts'
import type { Transport } from '../transport/transport.ts'
import { transportLink } from '../transport/transport-link.ts'
import { SpanwireError } from '../wire/errors.ts'
import {
  changesOf,
  destructiveChanges,
  impossibleChanges,
  reduceSubjects,
  type StreamOptions,
  toConfig,
} from './stream-options.ts'

export type { StreamOptions } from './stream-options.ts'

/** Options of {@link ensureStreams}. */
export interface EnsureStreamsOptions {
  /** Settings of all streams. */
  readonly defaults?: StreamOptions
  /** Settings of single streams, by name. They have priority over `defaults`. */
  readonly streams?: Readonly<Record<string, StreamOptions>>
  /** Allow changes that remove events: lower limits, and subjects that are not in the contract. Default false. */
  readonly destructive?: boolean
}

/** The change of one stream. */
export interface StreamChange {
  /** Name of the stream. */
  readonly stream: string
  /** Kind of the change. */
  readonly did: 'created' | 'updated' | 'unchanged'
  /** Names of the changed fields, in JetStream's configuration. */
  readonly changes: readonly string[]
}

/** The change that {@link ensureStreams} would make to one stream. */
export interface StreamPlan extends StreamChange {
  /** Changes that would remove data, in words. `ensureStreams` makes them with `destructive` only. */
  readonly losses: readonly string[]
  /** Changed fields that JetStream does not support. `ensureStreams` refuses them. */
  readonly impossible: readonly string[]
  /** The current configuration, in the format of JetStream. Undefined if the stream does not exist. */
  readonly before: StreamConfig | undefined
  /** The configuration after the change. */
  readonly after: StreamConfig
}

/**
 * Returns the changes that {@link ensureStreams} would make with the same arguments, including changes that it would refuse.
 * It changes nothing.
 * @throws SpanwireError `stream-not-found` if JetStream is not enabled, `invalid-argument`, `permission-denied`, `timeout`
 */
export async function planStreams(
  events: Events,
  connection: Transport | NatsConnectionLike,
  options: EnsureStreamsOptions = {},
): Promise<StreamPlan[]> {
  return plan(events, new JetStreamApi(transportLink(toTransport(connection))), options)
}

/**
 * Creates or updates the streams of a contract. Each stream stores the subjects of its events. Call it when you deploy, with
 * credentials for `$JS.API.>`. Through a bridge, they must also allow subscriptions to the subjects of the stream.
 *
 * @example
 *     await ensureStreams(events, nats({ url: 'nats://127.0.0.1:4222' }), { defaults: { maxAge: 7 * 86_400_000 } })
 *
 * Settings of an existing stream that are not in the options do not change, including additional subjects. If a change of
 * one stream would remove data, no stream is changed.
 * @param connection a transport (`nats()`, `webSocket()`, `fromNats()`), or a connection of a NATS client. It stays open
 * @throws SpanwireError `stream-conflict` for a change that would remove data, that JetStream does not support, or for
 * subjects of another stream, `stream-not-found` if JetStream is not enabled, `invalid-argument` for a name that is not
 * valid and for settings of an unknown stream, `permission-denied`, `timeout`
 */
export async function ensureStreams(
  events: Events,
  connection: Transport | NatsConnectionLike,
  options: EnsureStreamsOptions = {},
): Promise<StreamChange[]> {
  const api = new JetStreamApi(transportLink(toTransport(connection)))
  const plans = await plan(events, api, options)
  for (const { stream, impossible, losses } of plans) {
    if (impossible.length > 0)
      throw refused(
        stream,
        `JetStream cannot change ${impossible.join(', ')}: create another stream and copy the events`,
      )
    if (losses.length > 0 && !options.destructive)
      throw refused(stream, `${losses.join('; ')}: use { destructive: true } to allow it`)
  }
  for (const { did, after } of plans) {
    if (did === 'created') await api.createStream(after)
    else if (did === 'updated') await api.updateStream(after)
  }
  return plans.map(({ stream, did, changes }) => ({ stream, did, changes }))
}

async function plan(
  events: Events,
  api: JetStreamApi,
  { defaults = {}, streams = {}, destructive = false }: EnsureStreamsOptions,
): Promise<StreamPlan[]> {
  const wantedBy = subjectsByStream(events)
  const unknown = Object.keys(streams).find((name) => !wantedBy.has(name))
  if (unknown !== undefined)
    throw new SpanwireError(
      'invalid-argument',
      `The contract has no stream ${unknown}. Its streams are: ${[...wantedBy.keys()].join(', ') || 'none'}.`,
    )
  const plans: StreamPlan[] = []
  for (const [name, subjects] of wantedBy) {
    if (!isJetStreamName(name))
      throw new SpanwireError(
        'invalid-argument',
        `${JSON.stringify(name)} is not a valid name of a stream: use a word without dots and wildcards.`,
      )
    const wanted = toConfig({ ...defaults, ...streams[name] })
    plans.push(planStream(name, { subjects, wanted, destructive }, await api.streamState(name)))
  }
  return plans
}

interface Wanted {
  readonly subjects: readonly string[]
  /** In the format of JetStream. */
  readonly wanted: Readonly<Record<string, unknown>>
  readonly destructive: boolean
}

function planStream(name: string, { subjects, wanted, destructive }: Wanted, state?: StreamState): StreamPlan {
  if (!state) {
    const after = { allow_direct: true, ...wanted, name, subjects: reduceSubjects(subjects) }
    return {
      stream: name,
      did: 'created',
      changes: Object.keys(after),
      losses: [],
      impossible: [],
      before: undefined,
      after,
    }
  }
  const all = reduceSubjects(destructive ? subjects : [...state.subjects, ...subjects])
  // In the order of the stream, so that equal subjects are not a change.
  const ordered = [...state.subjects.filter((subject) => all.includes(subject)), ...all]
  const given: Record<string, unknown> = { ...wanted, subjects: [...new Set(ordered)] }
  const { max_age: age, duplicate_window: window = state.config.duplicate_window } = wanted
  // JetStream requires a duplicate window that is not longer than the age.
  if (typeof age === 'number' && age > 0 && Number(window) > age) given.duplicate_window = age
  const after: StreamConfig = { ...state.config, ...given, name }
  const changes = changesOf(state, given)
  return {
    stream: name,
    did: changes.length > 0 ? 'updated' : 'unchanged',
    changes,
    losses: destructiveChanges(state, after),
    impossible: impossibleChanges(changes),
    before: state.config,
    after,
  }
}

function subjectsByStream(events: Events): Map<string, string[]> {
  const streams = new Map<string, string[]>()
  for (const [name, entry] of Object.entries(events)) {
    const { stream, template } = readEvent(name, entry)
    if (stream !== undefined) streams.set(stream, [...(streams.get(stream) ?? []), template.filter({})])
  }
  return streams
}

function refused(name: string, why: string): SpanwireError {
  return new SpanwireError('stream-conflict', `The stream ${name} and all other streams were not changed: ${why}.`)
}
