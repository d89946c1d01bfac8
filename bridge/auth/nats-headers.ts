import { isSubject, isSubjectFilter, isSubsetFilter } from '../../sdk/wire/subject.ts'
import { mayPublish, mayPublishAll, mayRead, maySubscribe, type Permissions } from './permissions.ts'

/**
 * Whether a client may publish a header with this value.
 * @param prefixed whether the client's subjects have a prefix: a subject in a header would be the broker's own name
 */
type Rule = (permissions: Permissions, value: string, prefixed: boolean) => boolean

/** Change of a header in messages to clients with a subject prefix. */
type Shown =
  /** A message id, without the prefix that keeps the ids of tenants apart. */
  | 'id'
  /** A stream's name, as `EDGE`. */
  | 'stream'
  /** A subject, by the client's own name. */
  | 'subject'
  /** The line is left out: it contains names outside of the prefix. */
  | 'never'

interface NatsHeader {
  /** First release of nats-server with this header; 2.9 also for older releases. */
  readonly since: '2.9' | '2.10' | '2.11' | '2.12' | '2.14' | '2.15'
  readonly publish: Rule
  readonly shown?: Shown
}

/** It affects its own message only. */
const anyone: Rule = () => true
/** It names a thing that all clients of the broker share. */
const withoutPrefix: Rule = (_, __, prefixed) => !prefixed
/** nats-server writes it, and trusts it in messages of other servers. */
const asServer: Rule = (permissions, _, prefixed) => !prefixed && mayPublishAll(permissions)
const publishes: Rule = (permissions, subject, prefixed) =>
  !prefixed && isSubject(subject) && mayPublish(permissions, subject)
const reads: Rule = (permissions, subject, prefixed) => !prefixed && isSubject(subject) && mayRead(permissions, subject)
const rollsUp: Rule = (permissions, what, prefixed) => what === 'sub' || (!prefixed && mayPublishAll(permissions))
/** The refusal of a message names the last sequence of this filter. */
const learnsSequence: Rule = ({ publish, subscribe, ...rest }, filter, prefixed) => {
  if (prefixed || !isSubjectFilter(filter)) return false
  const own = publish.deny.length === 0 && publish.allow.some((rule) => isSubsetFilter(filter, rule))
  return own || maySubscribe({ publish, subscribe, ...rest }, filter) === 'allowed'
}

/**
 * All headers of nats-server 2.9 to 2.15, in lower case, and the headers of NATS services. nats-server checks a permission
 * for `Nats-Trace-Dest` only, and checks the bridge's user, which may do everything.
 *
 * A client with a subject prefix may publish no other `Nats-*` header: a later server may obey it.
 * Sources: nats-server (`server/stream.go`, `consumer.go`, `msgtrace.go`, `accounts.go`, `jetstream_api.go`), ADR-41 (tracing),
 * ADR-43 (TTL), ADR-49 (counters), ADR-50 (batches), ADR-51 (schedules), ADR-32 (services).
 */
export const NATS_HEADERS: ReadonlyMap<string, NatsHeader> = new Map<string, NatsHeader>([
  // Conditions of the publisher.
  ['nats-msg-id', { since: '2.9', publish: anyone, shown: 'id' }],
  // After a wrong value, a clustered nats-server 2.15.1 stops a replicated stream. Its refusal contains the last id of the stream.
  ['nats-expected-last-msg-id', { since: '2.9', publish: asServer, shown: 'id' }],
  ['nats-expected-last-sequence', { since: '2.9', publish: anyone }],
  ['nats-expected-last-subject-sequence', { since: '2.9', publish: anyone }],
  // The answer says whether the stream has that name.
  ['nats-expected-stream', { since: '2.9', publish: withoutPrefix, shown: 'never' }],
  ['nats-expected-last-subject-sequence-subject', { since: '2.11', publish: learnsSequence, shown: 'never' }],
  // `all` empties the stream, of all subjects.
  ['nats-rollup', { since: '2.9', publish: rollsUp }],
  ['nats-ttl', { since: '2.11', publish: anyone }],
  ['nats-incr', { since: '2.12', publish: anyone }],
  // Only their id distinguishes the batches of a stream, and a stream has 50 at a time.
  ['nats-batch-id', { since: '2.12', publish: withoutPrefix }],
  ['nats-batch-sequence', { since: '2.12', publish: withoutPrefix }],
  ['nats-batch-commit', { since: '2.12', publish: withoutPrefix }],
  // The message is published again later, to the target: itself, or the last message of the source.
  ['nats-schedule', { since: '2.12', publish: withoutPrefix }],
  ['nats-schedule-target', { since: '2.12', publish: publishes, shown: 'never' }],
  ['nats-schedule-source', { since: '2.14', publish: reads, shown: 'never' }],
  ['nats-schedule-ttl', { since: '2.12', publish: withoutPrefix }],
  ['nats-schedule-time-zone', { since: '2.14', publish: withoutPrefix }],
  ['nats-schedule-rollup', { since: '2.14', publish: rollsUp }],
  // With `Nats-Schedule-Next: purge` the schedule on that subject is removed.
  ['nats-scheduler', { since: '2.12', publish: publishes, shown: 'never' }],
  ['nats-schedule-next', { since: '2.12', publish: withoutPrefix }],

  // Every server on the message's way, and each receiver, is reported to the subject.
  ['nats-trace-dest', { since: '2.11', publish: publishes, shown: 'never' }],
  ['nats-trace-only', { since: '2.11', publish: withoutPrefix }],
  ['nats-trace-hop', { since: '2.11', publish: asServer, shown: 'never' }],
  ['nats-trace-origin-account', { since: '2.11', publish: asServer, shown: 'never' }],

  // A stream with sources goes on from the newest that it holds: before 2.14 also from a client's.
  ['nats-stream-source', { since: '2.9', publish: asServer, shown: 'never' }],
  ['nats-counter-sources', { since: '2.12', publish: asServer, shown: 'never' }],
  // Identifies the requester to a service of another account. Services trust it.
  ['nats-request-info', { since: '2.9', publish: asServer, shown: 'never' }],
  ['nats-server-xkey', { since: '2.10', publish: asServer, shown: 'never' }],

  // Clients of push consumers publish to the subject that it names.
  ['nats-consumer-stalled', { since: '2.9', publish: publishes, shown: 'never' }],

  // nats-server writes these, and does not read them.
  ['nats-stream', { since: '2.9', publish: anyone, shown: 'stream' }],
  ['nats-subject', { since: '2.9', publish: anyone, shown: 'subject' }],
  ['nats-sequence', { since: '2.9', publish: anyone }],
  ['nats-time-stamp', { since: '2.9', publish: anyone }],
  ['nats-last-sequence', { since: '2.9', publish: anyone }],
  ['nats-num-pending', { since: '2.11', publish: anyone }],
  ['nats-upto-sequence', { since: '2.11', publish: anyone }],
  ['nats-last-consumer', { since: '2.9', publish: anyone }],
  ['nats-last-stream', { since: '2.9', publish: anyone }],
  ['nats-msg-size', { since: '2.9', publish: anyone }],
  ['nats-response-type', { since: '2.9', publish: anyone }],
  ['nats-pending-messages', { since: '2.10', publish: anyone }],
  ['nats-pending-bytes', { since: '2.10', publish: anyone }],
  ['nats-pin-id', { since: '2.11', publish: anyone }],
  ['nats-marker-reason', { since: '2.11', publish: anyone }],

  // Conditions of a request to JetStream's API, which a client with a prefix can't reach.
  ['nats-required-api-level', { since: '2.12', publish: withoutPrefix }],
  ['nats-stream-identity', { since: '2.15', publish: withoutPrefix, shown: 'never' }],

  // Headers of NATS services: they pass between clients.
  ['nats-service-error', { since: '2.9', publish: anyone }],
  ['nats-service-error-code', { since: '2.9', publish: anyone }],
])
