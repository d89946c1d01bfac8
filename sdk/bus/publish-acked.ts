import type { StreamAck, StreamPublishOptions } from '../contract/bus.ts'
import type { EncodedEvent } from '../contract/codec.ts'
import { NEVER_STORED } from '../jetstream/never-stored.ts'
import { createBackoff } from '../kit/backoff.ts'
import { pause } from '../kit/pause.ts'
import { timedOut } from '../transport/answer.ts'
import { aborted } from '../transport/checks.ts'
import type { Transport, TransportMessage } from '../transport/transport.ts'
import { decode } from '../wire/bytes.ts'
import { isSpanwireError, SpanwireError, type SpanwireErrorCode } from '../wire/errors.ts'
import { ID_HEADER } from '../wire/header-names.ts'

/** Time for all attempts together, in ms. */
const TIMEOUT = 60_000
/** Time for one attempt while the connection is open, in ms. JetStream answers in milliseconds if it has a leader. */
const PATIENCE = 5_000
/**
 * Time without responders that the election of a stream's leader may take, in ms. Followers become candidates 4 to 9 s
 * after the last message of the leader, and an election may need a second round.
 * Source: nats-server's raft.go, `minElectionTimeout`.
 */
const ELECTION = 15_000

/** After these errors the event may be stored. It is sent again with the same id. */
const UNCERTAIN: readonly SpanwireErrorCode[] = [
  'timeout',
  'connection-lost',
  'upstream-unavailable',
  'connection-refused',
]

/**
 * Publishes until JetStream acknowledges. The first attempt is passed to the transport before this returns.
 * @throws SpanwireError (as rejection) `timeout`, `stream-not-found`, `stream-refused`, `wrong-last-sequence`, and the
 * errors of {@link Transport.request} after which another attempt has no effect
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
  // An event with an id of the application may have been published before.
  let uncertain = options.id !== undefined
  let silentSince: number | undefined
  const backoff = createBackoff({ first: 100, longest: 2_000 })
  for (;;) {
    let error: SpanwireError
    try {
      const answer = await request(transport, { ...event, headers: fields }, deadline, signal)
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
        // A bridge that has lost NATS sends the same status.
        if (transport.status.state === 'open') silentSince ??= performance.now()
        if (silentSince !== undefined && performance.now() - silentSince >= ELECTION) throw noStream(subject, cause)
      } else if (cause.code !== 'offline-queue-full' || !uncertain) {
        // After a lost connection there may be more events under way than the offline queue can hold.
        throw cause
      }
    }
    const left = deadline - performance.now()
    // While offline the transport waits, if its queue has room. A timeout was a wait already.
    const hasWaited =
      error.code === 'timeout' || (error.code !== 'offline-queue-full' && transport.status.state !== 'open')
    const delay = hasWaited ? 0 : backoff.next()
    if (left <= delay) {
      const why =
        error.code === 'no-responders' && !uncertain
          ? `was not stored within ${timeout} ms: no stream stores it (ensureStreams creates one), or its stream has no leader`
          : `was not acknowledged within ${timeout} ms: it may be stored`
      throw new SpanwireError('timeout', `${subject} ${why}.`, { cause: error })
    }
    if (delay > 0) await pause(delay, signal)
    if (signal?.aborted) throw aborted(signal)
  }
}

/** Makes one attempt. While offline it stays in the transport's queue. Its timeout begins when it is sent. */
async function request(
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
  const late = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  const release = transport.onStatus(() => {
    clearTimeout(timer)
    if (isOpen()) timer = setTimeout(() => late.abort(), patience)
  })
  try {
    const either = signal ? AbortSignal.any([signal, late.signal]) : late.signal
    return readAnswer(
      await transport.request(subject, payload, { headers, timeout: Math.max(left, 1), signal: either }),
      subject,
    )
  } catch (error) {
    throw late.signal.aborted && !signal?.aborted ? timedOut(subject, patience) : error
  } finally {
    clearTimeout(timer)
    release()
  }
}

/**
 * Finds out whether an event with this id was stored, by a publish that no stream stores. The other expectations are checked
 * before or after duplicates, depending on version and number of replicas, so a repeated publish that was stored may be
 * answered with a wrong sequence.
 */
function wasStored(
  transport: Transport,
  { subject, headers }: EncodedEvent,
  deadline: number,
  signal: AbortSignal | undefined,
): Promise<PublishAnswer> {
  const id = headers.filter(([name]) => name === ID_HEADER)
  return request(transport, { subject, payload: new Uint8Array(), headers: [...id, ...NEVER_STORED] }, deadline, signal)
}

function noStream(subject: string, cause: unknown): SpanwireError {
  return new SpanwireError('stream-not-found', `No stream stores ${subject}: create one with ensureStreams.`, { cause })
}

/** JetStream's answer to a publish. Source: NATS ADR-22 and `JSPubAckResponse` of nats-server. */
interface PublishAnswer {
  readonly ack?: StreamAck
  readonly error?: { readonly err_code?: number; readonly description?: string }
}

/** Values of err_code. Source: nats-server's errors.json */
const WRONG_SEQUENCE = [10071, 10164]
/** JetStream is starting, or an earlier attempt with the same id is being replicated. */
const TEMPORARY = [10008, 10158]

/** @throws SpanwireError `stream-not-found` if it is not an answer of JetStream */
function readAnswer({ payload }: TransportMessage, subject: string): PublishAnswer {
  try {
    const { error, stream, seq, duplicate } = JSON.parse(decode(payload))
    if (error) return { error }
    if (typeof stream === 'string' && Number.isSafeInteger(seq))
      return { ack: { stream, seq, duplicate: duplicate === true } }
  } catch {
    // Not JSON. The error below reports it.
  }
  throw new SpanwireError(
    'stream-not-found',
    `A responder answers on ${subject}, but not a stream: stop the responder or use another subject.`,
  )
}

/** Whether an expected sequence did not match. */
function isWrongSequence({ error }: PublishAnswer): boolean {
  return WRONG_SEQUENCE.includes(error?.err_code ?? 0)
}

/** Whether a later attempt may succeed. */
function isTemporary({ error }: PublishAnswer): boolean {
  return TEMPORARY.includes(error?.err_code ?? 0)
}

function refusal(answer: PublishAnswer, subject: string): SpanwireError {
  const text = answer.error?.description ?? 'no reason given'
  return isWrongSequence(answer)
    ? new SpanwireError(
        'wrong-last-sequence',
        `${subject} was not stored: ${text}. Re-read the subject and retry with its current sequence.`,
      )
    : new SpanwireError('stream-refused', `The stream of ${subject} refused the event: ${text}.`)
}
