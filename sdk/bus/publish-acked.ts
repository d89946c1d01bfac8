import type { StreamAck, StreamPublishOptions } from '../contract/bus.ts'
import type { EncodedEvent } from '../contract/codec.ts'
import { NEVER_STORED } from '../jetstream/never-stored.ts'
import { createBackoff } from '../kit/backoff.ts'
import { pause } from '../kit/pause.ts'
import { timedOut } from '../transport/answer.ts'
import { aborted } from '../transport/checks.ts'
import type { Transport } from '../transport/transport.ts'
import { isSpanwireError, SpanwireError, type SpanwireErrorCode } from '../wire/errors.ts'
import { ID_HEADER } from '../wire/header-names.ts'
import { isTemporary, isWrongSequence, type PublishAnswer, readAnswer, refusal } from './publish-answer.ts'

/** All attempts together, in ms. */
const TIMEOUT = 60_000
/** One attempt, counted while the connection is open: JetStream answers in milliseconds, or its leader is gone. */
const PATIENCE = 5_000
/**
 * So long nobody answers while a stream's leader is elected, in ms: its followers stand for it 4 to 9 s after they last
 * heard of one, and may have to a second time. Source: nats-server's raft.go, `minElectionTimeout`.
 */
const ELECTION = 15_000

/** After these it may or may not have been stored: it is sent again, with the same id. */
const UNCERTAIN: readonly SpanwireErrorCode[] = [
  'timeout',
  'connection-lost',
  'upstream-unavailable',
  'connection-refused',
]

/**
 * Publishes until JetStream acknowledges. The first attempt is handed to the transport before this returns.
 * @throws SpanwireError (as rejection) `timeout`, `stream-not-found`, `stream-refused`, `wrong-last-sequence`, and what
 * {@link Transport.request} throws but for what is tried again
 */
export async function publishAcked(
  transport: Transport,
  event: EncodedEvent,
  options: StreamPublishOptions,
): Promise<StreamAck> {
  const { subject } = event
  const { timeout = TIMEOUT, signal, expectLastSeq, expectLastSubjectSeq } = options
  const deadline = performance.now() + timeout
  const fields: Array<readonly [string, string]> = [...event.headers]
  if (expectLastSeq !== undefined) fields.push(['Nats-Expected-Last-Sequence', String(expectLastSeq)])
  if (expectLastSubjectSeq !== undefined)
    fields.push(['Nats-Expected-Last-Subject-Sequence', String(expectLastSubjectSeq)])
  // An id that was given may have been published before.
  let uncertain = options.id !== undefined
  let silentSince: number | undefined
  const backoff = createBackoff({ first: 100, longest: 2_000 })
  for (;;) {
    let error: SpanwireError
    try {
      const answer = await ask(transport, { ...event, headers: fields }, deadline, signal)
      const conflict = isWrongSequence(answer)
      const settled = conflict && uncertain ? await wasStored(transport, event, deadline, signal) : answer
      const { ack } = settled
      if (ack) return ack
      error = refusal(conflict && !isTemporary(settled) ? answer : settled, subject)
      if (!isTemporary(settled)) throw error
    } catch (cause) {
      if (!isSpanwireError(cause)) throw cause
      error = cause
      if (UNCERTAIN.includes(cause.code)) {
        uncertain = true
      } else if (cause.code === 'no-responders') {
        // A bridge that has lost NATS says so too.
        if (transport.status.state === 'open') silentSince ??= performance.now()
        if (silentSince !== undefined && performance.now() - silentSince >= ELECTION) throw noStream(subject, cause)
      } else if (cause.code !== 'offline-queue-full' || !uncertain) {
        // Of those that were under way there may be more than the queue of a connection that is lost has room for.
        throw cause
      }
    }
    const left = deadline - performance.now()
    // While offline the transport itself waits, if it has room; a timeout was a wait already.
    const hasWaited =
      error.code === 'timeout' || (error.code !== 'offline-queue-full' && transport.status.state !== 'open')
    const delay = hasWaited ? 0 : backoff.next()
    if (left <= delay) {
      const why =
        error.code === 'no-responders' && !uncertain
          ? `was not stored within ${timeout} ms: no stream keeps it (ensureStreams makes one), or none for the moment`
          : `was not acknowledged within ${timeout} ms: it may be stored`
      throw new SpanwireError('timeout', `${subject} ${why}.`, { cause: error })
    }
    if (delay > 0) await pause(delay, signal)
    if (signal?.aborted) throw aborted(signal)
  }
}

/** One attempt. While offline the transport keeps it; patience begins when it is sent. */
async function ask(
  transport: Transport,
  { subject, payload, headers }: EncodedEvent,
  deadline: number,
  signal: AbortSignal | undefined,
): Promise<PublishAnswer> {
  const left = deadline - performance.now()
  const isOpen = () => transport.status.state === 'open'
  const patience = Math.min(PATIENCE, left)
  if (isOpen()) {
    const options = { headers, timeout: patience, signal }
    return readAnswer(await transport.request(subject, payload, options), subject)
  }
  const given = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  const release = transport.onStatus(() => {
    clearTimeout(timer)
    if (isOpen()) timer = setTimeout(() => given.abort(), patience)
  })
  try {
    const either = signal ? AbortSignal.any([signal, given.signal]) : given.signal
    return readAnswer(
      await transport.request(subject, payload, { headers, timeout: Math.max(left, 1), signal: either }),
      subject,
    )
  } catch (error) {
    throw given.signal.aborted && !signal?.aborted ? timedOut(subject, patience) : error
  } finally {
    clearTimeout(timer)
    release()
  }
}

/**
 * Asks whether an event with that id was stored, by an attempt that cannot be. (The order of the other expectations and the
 * search for duplicates differs between versions and numbers of replicas, so that a retry of an event that was stored may be
 * refused with a wrong sequence.)
 */
function wasStored(
  transport: Transport,
  { subject, headers }: EncodedEvent,
  deadline: number,
  signal: AbortSignal | undefined,
): Promise<PublishAnswer> {
  const id = headers.filter(([name]) => name === ID_HEADER)
  return ask(transport, { subject, payload: new Uint8Array(), headers: [...id, ...NEVER_STORED] }, deadline, signal)
}

function noStream(subject: string, cause: unknown): SpanwireError {
  return new SpanwireError('stream-not-found', `No stream keeps ${subject}: make one with ensureStreams.`, { cause })
}
