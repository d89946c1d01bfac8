/** Events that their stream publishes later or repeatedly: loaded with the first of them. Source: NATS ADR-51. */
import type { EncodedEvent } from '../contract/codec.ts'
import type { ContractEvent } from '../contract/contract.ts'
import { type Repetition, type Schedule, scheduleSubject } from '../contract/schedule.ts'
import { randomToken } from '../kit/ids.ts'
import type { Transport } from '../transport/transport.ts'
import { isSpanwireError, SpanwireError } from '../wire/errors.ts'
import type { HeaderFields } from '../wire/header-fields.ts'
import { ID_HEADER, TIME_HEADER } from '../wire/header-names.ts'
import { isSubject } from '../wire/subject.ts'
import type { EncodedPublish } from './methods.ts'
import { type AckedOptions, publishAcked } from './publish-acked.ts'
import { requireFeature, TTL_HEADER, toTtl, whenKnown } from './server-features.ts'

/** `@daily` and the like, `@every 5m`, or six fields. nats-server checks the rest. */
const CALENDAR = /^(@[a-z]+|@every [\da-zµ.]+|[^ @]+( [^ ]+){5})$/

/**
 * Stores an event that its stream publishes later.
 * @throws SpanwireError (as rejection) `invalid-argument`, `unsupported`, and the errors of a publish
 */
export async function schedule(transport: Transport, event: EncodedPublish, stream: string): Promise<Schedule> {
  const { subject: target, payload, headers, options } = event
  const { at, every, ttl = event.ttl, id: _, expectLastSeq, expectLastSubjectSeq, ...rest } = options
  if ((expectLastSeq ?? expectLastSubjectSeq) !== undefined)
    throw new SpanwireError('invalid-argument', 'An event with at or every can not have expectLastSeq: leave it out.')
  const timing = at === undefined ? repeated(every as Repetition) : once(at, every)
  const id = headers.find(([name]) => name === ID_HEADER)?.[1] ?? ''
  const own = headers.filter(([name]) => name !== ID_HEADER && name !== TIME_HEADER)
  await whenKnown(transport)
  requireFeature(transport, at === undefined ? 'every' : 'at')
  const ack = await store(transport, stream, {
    subject: subjectOf(stream, id),
    payload,
    headers: [
      // The id of this call: a repeated attempt is stored once.
      [ID_HEADER, randomToken(20)],
      // nats-server removes its own spelling from the event. Names of headers are case-insensitive for readers of Spanwire.
      ...(at === undefined
        ? []
        : ([
            [ID_HEADER.toLowerCase(), id],
            [TIME_HEADER, `${+at}`],
          ] as const)),
      ...timing,
      ['Nats-Schedule-Target', target],
      ...(ttl === undefined ? [] : ([['Nats-Schedule-TTL', toTtl(ttl)]] as const)),
      ...own,
    ],
    options: rest,
  })
  return { ...ack, id, cancel: () => cancel(transport, stream, id) }
}

/**
 * Ends a schedule of an event.
 * @throws SpanwireError (as rejection) `unsupported` for an event without a stream, and the errors of a publish
 */
export async function cancelSchedule(transport: Transport, { name, stream }: ContractEvent, id: string): Promise<void> {
  if (!stream) throw new SpanwireError('unsupported', `${name} has no stream, so it has no schedules.`)
  await whenKnown(transport)
  requireFeature(transport, 'at')
  await cancel(transport, stream, id)
}

/** Replaces the schedule with an empty message, which needs no other permission than the schedule itself. */
async function cancel(transport: Transport, stream: string, id: string): Promise<void> {
  const headers: HeaderFields = [
    [ID_HEADER, randomToken(20)],
    ['Nats-Rollup', 'sub'],
    [TTL_HEADER, '1s'],
  ]
  await store(transport, stream, {
    subject: subjectOf(stream, id),
    payload: new Uint8Array(),
    headers,
    options: {},
  })
}

/** Its own order: a stream without schedules does not delay its events. */
async function store(
  transport: Transport,
  stream: string,
  event: EncodedEvent & { readonly options: AckedOptions },
): Promise<Pick<Schedule, 'stream' | 'seq' | 'duplicate'>> {
  try {
    const { seq, duplicate } = await publishAcked(transport, event, event.options)
    return { stream, seq, duplicate }
  } catch (cause) {
    if (!isSpanwireError(cause, 'stream-not-found')) throw cause
    throw new SpanwireError(
      'stream-not-found',
      `The stream ${stream} has no schedules: call ensureStreams with { schedules: true }. It requires nats-server 2.12.`,
      { cause },
    )
  }
}

function subjectOf(stream: string, id: string): string {
  const subject = scheduleSubject(stream, id)
  if (id && isSubject(subject)) return subject
  throw new SpanwireError(
    'invalid-argument',
    `${JSON.stringify(id)} is not a valid id of a schedule: it is a part of a subject, so use tokens without white space.`,
  )
}

function once(at: Date | number, every: unknown): HeaderFields {
  const time = new Date(at)
  if (every !== undefined) throw new SpanwireError('invalid-argument', 'An event has at or every, not both.')
  if (Number.isNaN(+time))
    throw new SpanwireError('invalid-argument', `at is ${at}. It must be a Date or a time in ms.`)
  return [['Nats-Schedule', `@at ${time.toISOString()}`]]
}

function repeated(every: Repetition): HeaderFields {
  if (typeof every === 'number') {
    if (every >= 1_000) return [['Nats-Schedule', `@every ${Math.floor(every)}ms`]]
    throw new SpanwireError('invalid-argument', `every is ${every}. It must be at least 1000 ms.`)
  }
  const { cron, timeZone } = typeof every === 'string' ? { cron: every } : every
  if (typeof cron !== 'string' || !CALENDAR.test(cron))
    throw new SpanwireError(
      'invalid-argument',
      `${JSON.stringify(cron)} is not a valid cron: use six fields, from second to day of week, or a word such as @daily.`,
    )
  return [['Nats-Schedule', cron], ...(timeZone === undefined ? [] : [['Nats-Schedule-Time-Zone', timeZone] as const])]
}
