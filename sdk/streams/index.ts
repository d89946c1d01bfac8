/** Streams of a contract: made and changed where the contract is deployed, not by every client. */
import { type Events, readEvent } from '../contract/contract.ts'
import { JetStreamApi, type StreamConfig } from '../jetstream/api.ts'
import { isJetStreamName } from '../jetstream/name.ts'
import { transportLink } from '../transport/jetstream-link.ts'
import type { NatsConnectionLike } from '../transport/nats/nats-connection.ts'
import { toTransport } from '../transport/nats/nats-transport.ts'
import type { Transport } from '../transport/transport.ts'
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

/**
 * Makes the streams that a contract names, or brings them up to date: each keeps the subjects of its events. Do it when
 * you deploy, with credentials that may use `$JS.API.>`; through a bridge they must also allow to subscribe to what a stream
 * is to keep.
 *
 *     await ensureStreams(events, nats({ url: 'nats://127.0.0.1:4222' }), { defaults: { maxAge: 7 * 86_400_000 } })
 *
 * What it isn't told of an existing stream stays as it is, subjects that others added included. Nothing is changed at all
 * if one of the streams would lose something.
 * @param connection a transport (`nats()`, `webSocket()`, `fromNats()`), or a connection of NATS's own clients; it stays
 * open
 * @throws SpanwireError `stream-conflict` for a change that would lose data (it says which), that JetStream can't make, or
 * for subjects that another stream keeps; `stream-not-found` where JetStream is turned off; `invalid-argument` for what
 * can't be a stream's name, and for options of a stream that keeps none of the events; `permission-denied`, `timeout`
 */
export async function ensureStreams(
  events: Events,
  connection: Transport | NatsConnectionLike,
  { defaults = {}, streams = {}, destructive = false }: EnsureStreamsOptions = {},
): Promise<StreamChange[]> {
  const api = new JetStreamApi(transportLink(toTransport(connection)))
  const wantedBy = subjectsByStream(events)
  const unknown = Object.keys(streams).find((name) => !wantedBy.has(name))
  if (unknown !== undefined)
    throw new SpanwireError(
      'invalid-argument',
      `streams names ${unknown}, but no event of the contract is kept there; there are ${[...wantedBy.keys()].join(', ') || 'none'}.`,
    )
  const plans: Array<{ readonly change: StreamChange; readonly config: StreamConfig }> = []
  for (const [name, subjects] of wantedBy) {
    if (!isJetStreamName(name))
      throw new SpanwireError('invalid-argument', `${JSON.stringify(name)} can't be the name of a stream.`)
    const wanted = toConfig({ ...defaults, ...streams[name] })
    const state = await api.streamState(name)
    if (!state) {
      const config = { allow_direct: true, ...wanted, name, subjects: reduceSubjects(subjects) }
      plans.push({ change: { stream: name, did: 'created', changes: Object.keys(config) }, config })
      continue
    }
    const all = reduceSubjects(destructive ? subjects : [...state.subjects, ...subjects])
    // In the order in which the stream has them, so that nothing differs where nothing is new.
    const ordered = [...state.subjects.filter((subject) => all.includes(subject)), ...all]
    const given: Record<string, unknown> = { ...wanted, subjects: [...new Set(ordered)] }
    const { max_age: age, duplicate_window: window = state.config.duplicate_window } = wanted
    // JetStream wants it so; nobody who shortens the one means to keep the other.
    if (typeof age === 'number' && age > 0 && Number(window) > age) given.duplicate_window = age
    const config: StreamConfig = { ...state.config, ...given, name }
    const changes = changesOf(state, given)
    const impossible = impossibleChanges(changes)
    if (impossible.length > 0)
      throw refused(name, `JetStream can't change ${impossible.join(', ')}: make another stream and copy`)
    const losses = destructiveChanges(state, config)
    if (losses.length > 0 && !destructive)
      throw refused(name, `${losses.join('; ')}: say { destructive: true } if that is meant`)
    plans.push({ change: { stream: name, did: changes.length > 0 ? 'updated' : 'unchanged', changes }, config })
  }
  for (const { change, config } of plans) {
    if (change.did === 'created') await api.createStream(config)
    else if (change.did === 'updated') await api.updateStream(config)
  }
  return plans.map(({ change }) => change)
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
