/** Events that a stream stores together or not: loaded with the first batch. */
import type { BatchAck, BatchOptions } from '../contract/batch.ts'
import { hasParams, type UntypedBatchEvent } from '../contract/untyped-bus.ts'
import { anySignal } from '../kit/any-signal.ts'
import { createBackoff } from '../kit/backoff.ts'
import { pause } from '../kit/pause.ts'
import { aborted } from '../transport/checks.ts'
import type { Transport } from '../transport/transport.ts'
import { isSpanwireError, SpanwireError } from '../wire/errors.ts'
import { ID_HEADER } from '../wire/header-names.ts'
import { type BatchItem, MOST_IN_BATCH, publishBatch } from './atomic-batch.ts'
import { diagnose, isTransient, problem } from './batch-problem.ts'
import type { MethodParts } from './methods.ts'
import { expectationHeaders } from './publish-acked.ts'
import { requireFeature, TTL_HEADER, ttlHeaders, whenKnown } from './server-features.ts'
import { findStored } from './stored-ids.ts'

/** An event of a batch as bytes. */
export interface BatchMember extends BatchItem {
  readonly index: number
  readonly name: string
  readonly id: string
  /** `expectLastSeq` or `expectLastSubjectSeq`. */
  readonly expected: number | undefined
  readonly isOfStream: boolean
}

/** Time for all attempts together, in ms. */
const TIMEOUT = 60_000

/**
 * Stores all events or none.
 * @throws SpanwireError (as rejection) as {@link Bus.publishAll}
 */
export async function publishAll(
  parts: MethodParts,
  events: readonly UntypedBatchEvent[],
  options: BatchOptions = {},
): Promise<BatchAck> {
  const { transport } = parts
  const { timeout = TIMEOUT, signal } = options
  const deadline = performance.now() + timeout
  const stream = streamOf(parts, events)
  const members = await encode(parts, events, options)
  await whenKnown(transport)
  requireFeature(transport, 'batch')
  if (members.some(({ headers }) => headers.some(([name]) => name === TTL_HEADER))) requireFeature(transport, 'ttl')
  const backoff = createBackoff({ first: 100, longest: 2_000 })
  const since = performance.now()
  /** Whether an attempt without an answer may have been stored. */
  let isUncertain = events.some(({ id }) => id !== undefined)
  for (;;) {
    if (signal?.aborted) throw aborted(signal)
    await whenOpen(transport, deadline - performance.now(), signal)
    const result = await publishBatch(transport, members)
    if (result.kind === 'stored') return { stream: result.stream || stream, seq: result.seq, count: members.length }
    if (isUncertain && (result.kind === 'duplicate' || result.kind === 'conflict')) {
      const stored = await findStored(transport, members)
      if (stored.size === members.length) return { stream, seq: Math.max(...stored.values()), count: stored.size }
    }
    isUncertain ||= result.kind === 'unknown'
    const error = await diagnose(transport, { result, members, stream, since })
    const delay = backoff.next()
    if (!isTransient(result, error)) throw error
    if (performance.now() + delay >= deadline) throw late(stream, timeout, isUncertain, error)
    await pause(delay, signal)
  }
}

/** @throws SpanwireError `invalid-argument`, `unknown-event`, `unsupported` */
function streamOf({ find }: MethodParts, events: readonly UntypedBatchEvent[]): string {
  if (events.length === 0 || events.length > MOST_IN_BATCH)
    throw new SpanwireError('invalid-argument', `A batch has 1 to ${MOST_IN_BATCH} events, not ${events.length}.`)
  const streams = events.map(({ name }) => find(name).stream)
  const other = streams.findIndex((stream) => stream === undefined || stream !== streams[0])
  if (other < 0) return streams[0] as string
  const { name = '' } = events[other] ?? {}
  const where = streams[other] === undefined ? 'no stream' : `the stream ${streams[other]}`
  throw new SpanwireError(
    'invalid-argument',
    `The events of a batch belong to one stream: ${name} has ${where}, ${events[0]?.name} has ${streams[0] ?? 'none'}.`,
  )
}

/** Validates and encodes all events. */
async function encode(
  { prepare, send }: MethodParts,
  events: readonly UntypedBatchEvent[],
  { expectLastSeq }: BatchOptions,
): Promise<BatchMember[]> {
  const subjects = new Set<string>()
  const ids = new Set<string>()
  return Promise.all(
    events.map(async ({ name, params, data, expectLastSubjectSeq, ttl: ownTtl, ...options }, index) => {
      let subject = name
      try {
        const event = prepare(name, hasParams(name) ? [params ?? {}, data, options] : [data, options])
        subject = event.subject
        if (expectLastSubjectSeq !== undefined && subjects.has(subject))
          throw new SpanwireError('invalid-argument', 'expectLastSubjectSeq is only for the first event of a subject.')
        subjects.add(subject)
        const ofStream = index === 0 ? expectLastSeq : undefined
        const conditions = expectationHeaders({ expectLastSeq: ofStream, expectLastSubjectSeq })
        return await send(event, async (payload, own) => {
          const id = own.find(([header]) => header === ID_HEADER)?.[1] ?? ''
          if (ids.has(id)) throw new SpanwireError('invalid-argument', `The batch has two events with the id ${id}.`)
          ids.add(id)
          const headers = [...own, ...ttlHeaders(ownTtl ?? event.ttl), ...conditions]
          const isOfStream = ofStream !== undefined
          return { subject, payload, headers, index, name, id, expected: ofStream ?? expectLastSubjectSeq, isOfStream }
        })
      } catch (error) {
        throw isSpanwireError(error) ? problem(error, { index, name, subject }) : error
      }
    }),
  )
}

/** Resolves once the transport is open or closed, or after a time. A batch must not wait in the queue of a transport. */
async function whenOpen(transport: Transport, timeout: number, signal: AbortSignal | undefined): Promise<void> {
  if (transport.status.state === 'open' || transport.status.state === 'closed') return
  const over = new AbortController()
  const stop = transport.onStatus(({ state }) => {
    if (state === 'open' || state === 'closed') over.abort()
  })
  const either = anySignal(signal, over.signal)
  await pause(Math.max(timeout, 0), either.signal)
  either.end()
  stop()
}

function late(stream: string, timeout: number, isUncertain: boolean, cause: SpanwireError): SpanwireError {
  const outcome = isUncertain ? 'was not acknowledged' : 'was not stored'
  return new SpanwireError('timeout', `The batch for ${stream} ${outcome} within ${timeout} ms.`, { cause })
}
