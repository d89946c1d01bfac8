import type { StreamAck, StreamPublishOptions } from '../contract/bus.ts'
import type { EncodedEvent } from '../contract/codec.ts'
import { NEVER_STORED } from '../jetstream/never-stored.ts'
import { anySignal } from '../kit/any-signal.ts'
import { createBackoff } from '../kit/backoff.ts'
import { MAX_TIMER } from '../kit/max-timer.ts'
import { pause } from '../kit/pause.ts'
import { timedOut } from '../transport/answer.ts'
import { aborted, onAbort } from '../transport/checks.ts'
import type { Transport } from '../transport/transport.ts'
import { isSpanwireError, SpanwireError, type SpanwireErrorCode } from '../wire/errors.ts'
import type { HeaderFields } from '../wire/header-fields.ts'
import { ID_HEADER } from '../wire/header-names.ts'
import { isTemporary, isWrongSequence, type PublishAnswer, readAnswer, refusal } from './publish-answer.ts'
import { ELECTION, type Place, type PublishOrder } from './publish-order.ts'

/** Time for all attempts together, in ms. */
const TIMEOUT = 60_000
/** Time for one attempt while the connection is open, in ms. JetStream answers in milliseconds if it has a leader. */
const PATIENCE = 5_000
/** After these errors the event may be stored. It is sent again with the same id. */
const UNCERTAIN: readonly SpanwireErrorCode[] = [
  'timeout',
  'connection-lost',
  'upstream-unavailable',
  'connection-refused',
]

/** Settings of {@link publishAcked}. */
export interface AckedOptions extends StreamPublishOptions {
  /** The order of the events of its stream. */
  readonly order?: PublishOrder | undefined
  /** Called after each attempt without a responder while the connection is open. */
  readonly onSilence?: (() => void) | undefined
}

/**
 * Publishes until JetStream acknowledges. The first attempt is passed to the transport before this returns, unless earlier
 * events of its order failed.
 * @throws SpanwireError (as rejection) `timeout`, `stream-not-found`, `stream-refused`, `wrong-last-sequence`, and the
 * errors of {@link Transport.request} after which another attempt has no effect
 */
export async function publishAcked(
  transport: Transport,
  event: EncodedEvent,
  options: AckedOptions,
): Promise<StreamAck> {
  const { subject } = event
  const { timeout = TIMEOUT, signal } = options
  const deadline = performance.now() + timeout
  const left = () => deadline - performance.now()
  const headers = [...event.headers, ...expectationHeaders(options)]
  // An event with an id of the application may have been published before.
  let uncertain = options.id !== undefined
  let silentSince: number | undefined
  let isSent = false
  let isAnswered = false
  const backoff = createBackoff({ first: 100, longest: 1_000 })
  const place = options.order?.enter(subject)
  const attempt = (sent: EncodedEvent) => {
    isSent = true
    return request(transport, sent, left(), signal)
  }
  try {
    for (;;) {
      let error: SpanwireError
      try {
        const answer = await inTurn(place, () => attempt({ ...event, headers }), left(), signal)
        const conflict = isWrongSequence(answer)
        const settled = conflict && uncertain ? await attempt(storedQuery(event)) : answer
        isAnswered = !isTemporary(settled)
        const { ack } = settled
        if (ack) return ack
        error = refusal(conflict && isAnswered ? answer : settled, subject)
        if (isAnswered) throw error
      } catch (cause) {
        if (!isSpanwireError(cause)) throw cause
        error = cause
        if (UNCERTAIN.includes(cause.code)) {
          uncertain ||= isSent
        } else if (cause.code === 'no-responders') {
          // A bridge that has lost NATS sends the same status.
          if (transport.status.state === 'open') {
            silentSince ??= performance.now()
            options.onSilence?.()
          }
          if (isOver(silentSince) && options.timeout === undefined) throw noStream(subject, cause)
        } else if (cause.code !== 'offline-queue-full' || !uncertain) {
          // After a lost connection there may be more events under way than the offline queue can hold.
          throw cause
        }
      }
      // While offline the transport waits, unless it has an answer or no room in its queue. A timeout was a wait already.
      const isImmediate = error.code === 'offline-queue-full' || error.code === 'no-responders'
      const hasWaited = error.code === 'timeout' || (!isImmediate && transport.status.state !== 'open')
      const delay = hasWaited ? 0 : backoff.next()
      if (left() <= delay)
        throw isOver(silentSince) && !uncertain ? noStream(subject, error) : late(subject, timeout, uncertain, error)
      place?.failed(silentSince)
      if (delay > 0) await pause(delay, signal)
      if (signal?.aborted) throw aborted(signal)
    }
  } finally {
    place?.leave(isAnswered)
  }
}

/** Returns the headers of the expectations of a publish. */
export function expectationHeaders({
  expectLastSeq,
  expectLastSubjectSeq,
}: Pick<StreamPublishOptions, 'expectLastSeq' | 'expectLastSubjectSeq'>): HeaderFields {
  const headers: Array<readonly [string, string]> = []
  if (expectLastSeq !== undefined) headers.push(['Nats-Expected-Last-Sequence', String(expectLastSeq)])
  if (expectLastSubjectSeq !== undefined)
    headers.push(['Nats-Expected-Last-Subject-Sequence', String(expectLastSubjectSeq)])
  return headers
}

/** Makes an attempt when it is its turn. @throws SpanwireError (as rejection) `timeout`, `aborted` if it is not in time */
function inTurn(
  place: Place | undefined,
  attempt: () => Promise<PublishAnswer>,
  left: number,
  signal: AbortSignal | undefined,
): Promise<PublishAnswer> {
  if (!place) return attempt()
  return new Promise((resolve, reject) => {
    let isDue = false
    let timer: ReturnType<typeof setTimeout> | undefined
    let release = () => {}
    const end = () => {
      isDue = true
      clearTimeout(timer)
      release()
    }
    place.turn(() => {
      end()
      resolve(attempt())
    })
    if (isDue) return
    const fail = (error: SpanwireError) => {
      end()
      reject(error)
    }
    const text = 'An earlier event of its stream was not acknowledged.'
    timer = setTimeout(() => fail(new SpanwireError('timeout', text)), Math.min(left, MAX_TIMER))
    release = onAbort(signal, fail)
  })
}

/** Makes one attempt. While offline it stays in the transport's queue. Its timeout begins when it is sent. */
async function request(
  transport: Transport,
  { subject, payload, headers }: EncodedEvent,
  left: number,
  signal: AbortSignal | undefined,
): Promise<PublishAnswer> {
  const isOpen = () => transport.status.state === 'open'
  const patience = Math.min(PATIENCE, left)
  if (isOpen()) {
    const options = { headers, timeout: patience, signal }
    return readAnswer(await transport.request(subject, payload, options), subject)
  }
  const late = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  const stop = transport.onStatus(() => {
    clearTimeout(timer)
    if (isOpen()) timer = setTimeout(() => late.abort(), patience)
  })
  const either = anySignal(signal, late.signal)
  try {
    const options = { headers, timeout: Math.max(left, 1), signal: either.signal }
    return readAnswer(await transport.request(subject, payload, options), subject)
  } catch (error) {
    throw late.signal.aborted && !signal?.aborted ? timedOut(subject, patience) : error
  } finally {
    clearTimeout(timer)
    stop()
    either.end()
  }
}

/**
 * A publish that no stream stores, and that finds out whether an event with this id was stored. The other expectations are
 * checked before or after duplicates, depending on version and number of replicas, so a repeated publish that was stored may
 * be answered with a wrong sequence.
 */
function storedQuery({ subject, headers }: EncodedEvent): EncodedEvent {
  const id = headers.filter(([name]) => name === ID_HEADER)
  return { subject, payload: new Uint8Array(), headers: [...id, ...NEVER_STORED] }
}

function isOver(silentSince: number | undefined): boolean {
  return silentSince !== undefined && performance.now() - silentSince >= ELECTION
}

function noStream(subject: string, cause: unknown): SpanwireError {
  return new SpanwireError('stream-not-found', `No stream stores ${subject}: create one with ensureStreams.`, { cause })
}

function late(subject: string, timeout: number, uncertain: boolean, cause: SpanwireError): SpanwireError {
  const within = `within ${timeout} ms`
  let why = `was not acknowledged ${within}: it may be stored`
  if (!uncertain && cause.code === 'no-responders')
    why = `was not stored ${within}: no stream stores it (ensureStreams creates one), or its stream has no leader`
  if (!uncertain && cause.code === 'timeout')
    why = `was not sent ${within}: an earlier event of its stream is not acknowledged`
  return new SpanwireError('timeout', `${subject} ${why}.`, { cause })
}
