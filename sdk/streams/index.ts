/** The entry `spanwire/streams`: creates and changes the streams of a contract, as a part of its deployment. */
import { type Events, readEvent } from '../contract/contract.ts'
import { scheduleSubject } from '../contract/schedule.ts'
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
  ignoredFields,
  impossibleChanges,
  reduceSubjects,
  type StreamOptions,
  toConfig,
  withTtls,
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
 * subjects of another stream, `unsupported` for an option that the server is too old for, `stream-not-found` if JetStream is not enabled, `invalid-argument` for a name that is not
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
  for (const plan of plans) await apply(api, plan)
  return plans.map(({ stream, did, changes }) => ({ stream, did, changes }))
}

async function apply(api: JetStreamApi, { did, before, after }: StreamPlan): Promise<void> {
  if (did === 'unchanged') return
  const config = did === 'created' ? await api.createStream(after) : await api.updateStream(after)
  const ignored = ignoredFields(after, config)
  if (ignored.length === 0) return
  if (before) await api.updateStream(before)
  else await api.deleteStream(after.name)
  throw new SpanwireError(
    'unsupported',
    `The stream ${after.name} was not changed: ${ignored.join(', ')}. Upgrade the server, or leave the option out.`,
  )
}

async function plan(
  events: Events,
  api: JetStreamApi,
  { defaults = {}, streams = {}, destructive = false }: EnsureStreamsOptions,
): Promise<StreamPlan[]> {
  const wantedBy = eventsByStream(events)
  const unknown = Object.keys(streams).find((name) => !wantedBy.has(name))
  if (unknown !== undefined)
    throw new SpanwireError(
      'invalid-argument',
      `The contract has no stream ${unknown}. Its streams are: ${[...wantedBy.keys()].join(', ') || 'none'}.`,
    )
  const plans: StreamPlan[] = []
  for (const [name, { subjects, ttls }] of wantedBy) {
    if (!isJetStreamName(name))
      throw new SpanwireError(
        'invalid-argument',
        `${JSON.stringify(name)} is not a valid name of a stream: use a word without dots and wildcards.`,
      )
    const given = withTtls({ ...defaults, ...streams[name] }, ttls)
    const state = await api.streamState(name)
    const retention = given.retention ?? state?.config.retention
    const all = given.schedules ? [...subjects, schedulesOf(name, subjects, retention)] : subjects
    plans.push(planStream(name, { subjects: all, wanted: toConfig(given), destructive }, state))
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
    impossible: impossibleChanges(changes, state),
    before: state.config,
    after,
  }
}

interface StreamEvents {
  readonly subjects: string[]
  readonly ttls: number[]
}

function eventsByStream(events: Events): Map<string, StreamEvents> {
  const streams = new Map<string, StreamEvents>()
  for (const [name, entry] of Object.entries(events)) {
    const { stream, template, ttl } = readEvent(name, entry)
    if (ttl !== undefined && stream === undefined)
      throw new SpanwireError('invalid-argument', `${name} has a ttl, but no stream that removes it: give it a stream.`)
    if (stream === undefined) continue
    const all = streams.get(stream) ?? { subjects: [], ttls: [] }
    streams.set(stream, all)
    all.subjects.push(template.filter({}))
    if (ttl !== undefined) all.ttls.push(ttl)
  }
  return streams
}

/** Subscriptions to events of the stream must not match its schedules. */
function schedulesOf(stream: string, subjects: readonly string[], retention: unknown): string {
  const wide = subjects.find((subject) => /^[*>]/.test(subject))
  const problem = wide === undefined ? '' : `${wide} would match them: begin its events with a word`
  // Such a stream stores only messages that a consumer wants, and no consumer reads schedules (ADR-51).
  const why = retention === 'interest' ? 'it has the retention `interest`, which drops them: use `limits`' : problem
  if (why === '') return scheduleSubject(stream)
  throw new SpanwireError('invalid-argument', `The stream ${stream} cannot have schedules, because ${why}.`)
}

function refused(name: string, why: string): SpanwireError {
  return new SpanwireError('stream-conflict', `The stream ${name} and all other streams were not changed: ${why}.`)
}
