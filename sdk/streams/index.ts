/** Streams of a contract: made and changed where the contract is deployed, not by every client. */
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

export interface EnsureStreamsOptions {
  /** For all streams. */
  readonly defaults?: StreamOptions
  /** For one stream, by its name. */
  readonly streams?: Readonly<Record<string, StreamOptions>>
  /** Lets a stream lose what it has: limits go down, subjects that the contract doesn't name are no longer kept. */
  readonly destructive?: boolean
}

/** What was done to one stream. */
export interface StreamChange {
  readonly stream: string
  readonly did: 'created' | 'updated' | 'unchanged'
  /** Names of JetStream's fields that were changed. */
  readonly changes: readonly string[]
}

/** What {@link ensureStreams} would do to one stream. */
export interface StreamPlan extends StreamChange {
  /** Fields whose change would lose data, in words: only done with `destructive`. */
  readonly losses: readonly string[]
  /** Changed fields that JetStream can't change. */
  readonly impossible: readonly string[]
  /** The configuration before, as JetStream writes it; undefined for a stream that would be created. */
  readonly before: StreamConfig | undefined
  /** The configuration after. */
  readonly after: StreamConfig
}

/**
 * Finds out what {@link ensureStreams} would do with the same arguments. Nothing is changed, also where a change would lose
 * data or is impossible.
 * @throws SpanwireError `stream-not-found` if JetStream is turned off; `invalid-argument`, `permission-denied`, `timeout`
 */
export async function planStreams(
  events: Events,
  connection: Transport | NatsConnectionLike,
  options: EnsureStreamsOptions = {},
): Promise<StreamPlan[]> {
  return plan(events, new JetStreamApi(transportLink(toTransport(connection))), options)
}

/**
 * Makes the streams that a contract names, or brings them up to date: each keeps the subjects of its events. Do it when
 * you deploy, with credentials that may use `$JS.API.>`; through a bridge they must also allow to subscribe to what a stream
 * is to keep.
 *
 *     await ensureStreams(events, nats({ url: 'nats://127.0.0.1:4222' }), { defaults: { maxAge: 7 * 86_400_000 } })
 *
 * Options that are not given stay as they are in an existing stream, and so do subjects that others added. If one of the
 * streams would lose data, no stream is changed.
 * @param connection a transport (`nats()`, `webSocket()`, `fromNats()`), or a connection of NATS's own clients; it stays
 * open
 * @throws SpanwireError `stream-conflict` for a change that would lose data (it says which), that JetStream can't make, or
 * for subjects that another stream keeps; `stream-not-found` where JetStream is turned off; `invalid-argument` for what
 * can't be a stream's name, and for options of a stream that keeps none of the events; `permission-denied`, `timeout`
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
      throw refused(stream, `JetStream can't change ${impossible.join(', ')}: make another stream and copy`)
    if (losses.length > 0 && !options.destructive)
      throw refused(stream, `${losses.join('; ')}: say { destructive: true } if that is meant`)
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
      `streams names ${unknown}, but no event of the contract is kept there; there are ${[...wantedBy.keys()].join(', ') || 'none'}.`,
    )
  const plans: StreamPlan[] = []
  for (const [name, subjects] of wantedBy) {
    if (!isJetStreamName(name))
      throw new SpanwireError('invalid-argument', `${JSON.stringify(name)} can't be the name of a stream.`)
    const wanted = toConfig({ ...defaults, ...streams[name] })
    plans.push(planStream(name, { subjects, wanted, destructive }, await api.streamState(name)))
  }
  return plans
}

interface Wanted {
  readonly subjects: readonly string[]
  /** As JetStream writes it. */
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
  // In the order in which the stream has them, so that nothing differs where nothing is new.
  const ordered = [...state.subjects.filter((subject) => all.includes(subject)), ...all]
  const given: Record<string, unknown> = { ...wanted, subjects: [...new Set(ordered)] }
  const { max_age: age, duplicate_window: window = state.config.duplicate_window } = wanted
  // JetStream requires it: the duplicate window is not longer than the age.
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
  return new SpanwireError('stream-conflict', `The stream ${name} stays as it is, and so do all others: ${why}.`)
}
