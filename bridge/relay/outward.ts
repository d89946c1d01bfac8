import { type Consumer, consume } from '../../sdk/consumer/index.ts'
import { raw } from '../../sdk/contract/codec.ts'
import type { ContractEvent } from '../../sdk/contract/contract.ts'
import { ReceivedEvent } from '../../sdk/contract/received-event.ts'
import type { StandardSchema } from '../../sdk/contract/standard-schema.ts'
import { sentVersion, validateVersion } from '../../sdk/contract/versions.ts'
import { JetStreamApi } from '../../sdk/jetstream/api.ts'
import { messageOf } from '../../sdk/kit/error-text.ts'
import { transportLink } from '../../sdk/transport/transport-link.ts'
import { isSpanwireError, SpanwireError } from '../../sdk/wire/errors.ts'
import { encodeHeaders } from '../../sdk/wire/headers.ts'
import { matchesFilter } from '../../sdk/wire/subject.ts'
import { FOREIGN_ID_HEADER } from './copied-headers.ts'
import { DeadLetters } from './dead-letters.ts'
import type { OutwardDefinition } from './declare.ts'
import type { ForeignSink, Outgoing } from './foreign.ts'
import type { RelayParts } from './inward.ts'
import { eventPlace } from './map-in.ts'
import { mapEvent } from './map-out.ts'
import { createRelayBackoff, pauseFor } from './retry.ts'

/** The time that a drain waits for confirmations, in ms. */
const DRAIN = 10_000
/** The time after which another process takes over from one that ended, in ms. */
const ACK_WAIT = 5_000
/** The time without a confirmation after which the relay reports it, in ms. Brokers confirm within milliseconds. */
const PATIENCE = 3_000
/** Delays of the next attempts for an event that cannot be relayed, in ms. */
const BACKOFF = [1_000, 5_000, 30_000]

/** Relays events of a stream to a foreign broker, at least once, in the order of the declared params. */
export class OutwardRelay {
  /** Resolves when events can flow. Rejects if the relay is refused. */
  readonly ready: Promise<void>
  readonly #parts: RelayParts<OutwardDefinition>
  readonly #api: JetStreamApi
  readonly #deadLetters: DeadLetters | undefined
  readonly #stop = new AbortController()
  /** The sink, open or opening. */
  #sink: Promise<ForeignSink> | undefined
  #consumer: Consumer | undefined

  constructor(parts: RelayParts<OutwardDefinition>) {
    this.#parts = parts
    const { name, transport, definition } = parts
    this.#api = new JetStreamApi(transportLink(transport))
    const { deadLetter } = definition
    this.#deadLetters = deadLetter === undefined ? undefined : new DeadLetters(transport, name, deadLetter)
    this.ready = this.#start().catch((error) => {
      if (!this.#stop.signal.aborted) this.#refused(error)
      throw error
    })
    this.ready.catch(() => {})
  }

  /** Waits for confirmations of sent events, and returns the other events to the stream. Idempotent. */
  async drain(): Promise<void> {
    const late = setTimeout(() => this.#stop.abort(), DRAIN)
    await this.#consumer?.drain()
    clearTimeout(late)
    this.#stop.abort()
    await this.ready.catch(() => {})
    await this.#consumer?.drain()
    const sink = await this.#sink?.catch(() => undefined)
    await sink?.close()
    await this.#deadLetters?.close()
    this.#parts.counts.state = 'stopped'
  }

  /** Returns the number of events of the stream that are not relayed. */
  async lag(): Promise<number | undefined> {
    const lag = await this.#api.consumerLag(this.#parts.definition.stream, this.#parts.name)
    return lag && lag.pending + lag.unacknowledged
  }

  async #start(): Promise<void> {
    const { definition, counts } = this.#parts
    const { event, filter, ordered, concurrency, deadLetter } = definition
    if (typeof deadLetter === 'string' && matchesFilter(event.template.filter(filter), deadLetter))
      throw new SpanwireError('invalid-argument', `deadLetter is ${deadLetter}, which this relay reads. Name another.`)
    await this.#deadLetters?.check(this.#api)
    await this.#openFirst()
    if (this.#stop.signal.aborted) throw new SpanwireError('aborted', 'The relay was drained before it was ready.')
    await this.#consume(ordered.length > 0 ? { ordered, concurrency } : { ordered: true })
    counts.wait(undefined)
  }

  async #consume(order: { readonly ordered: true | readonly string[]; readonly concurrency?: number }): Promise<void> {
    const { definition, name, transport, counts, report } = this.#parts
    const { event, filter, stream } = definition
    // The relay itself decodes and validates, for its own dead letter.
    const untouched = { schema: ANY, codec: raw, stream }
    let isReady = false
    const source = { events: { [event.name]: untouched }, connection: transport }
    this.#consumer = consume(source, event.name, (given) => this.#relay(given), {
      consumer: name,
      params: filter as never,
      ...(order as object),
      ackWait: ACK_WAIT,
      backoff: BACKOFF,
      onError: (error, given) => this.#failed(error, given),
      onEnd: (error) => {
        if (isReady && !isSpanwireError(error, 'connection-closed')) this.#refused(error)
      },
    })
    try {
      await this.#consumer.ready
      isReady = true
      counts.guarantee = `at least once, repetitions with the same ${FOREIGN_ID_HEADER}; ${
        order.ordered === true
          ? 'in the order of the stream, one at a time'
          : `in the order of ${order.ordered.join(', ')}`
      }`
    } catch (error) {
      if (!isSpanwireError(error, 'unsupported') || order.ordered === true) throw error
      counts.warn('nats-server before 2.11 keeps order only one event at a time.')
      report(new SpanwireError('unsupported', `${name}: one event at a time, as nats-server is older than 2.11.`))
      await this.#consume({ ordered: true })
    }
  }

  /** Opens the sink before events are consumed. A wrong declaration is reported at the start. */
  async #openFirst(): Promise<void> {
    const backoff = createRelayBackoff()
    for (;;) {
      try {
        this.#sink = this.#parts.definition.to.openSink()
        await this.#sink
        return
      } catch (error) {
        this.#sink = undefined
        if (!isSpanwireError(error, 'broker-unavailable')) throw error
        this.#parts.counts.wait(error)
        if (backoff.failures === 0) this.#parts.report(error)
      }
      await pauseFor(backoff, this.#stop.signal)
    }
  }

  async #relay(given: ReceivedEvent): Promise<void> {
    const { definition, counts } = this.#parts
    try {
      const outgoing = mapEvent(definition, await readEvent(definition.event, given))
      if (outgoing) {
        await this.#send(outgoing)
        counts.relayed++
      } else counts.loops++
    } catch (error) {
      if (this.#stop.signal.aborted || !this.#deadLetters) throw error
      await this.#bury(this.#deadLetters, given, error)
    }
    counts.lastTime = given.time
    counts.stoppedLanes.delete(given.subject)
  }

  async #bury(deadLetters: DeadLetters, event: ReceivedEvent, cause: unknown): Promise<void> {
    const { definition, counts } = this.#parts
    const { subject, seq, payload, time } = event
    const text = messageOf(cause)
    const error = isSpanwireError(cause) ? cause : new SpanwireError('invalid-params', text, { cause })
    const id = event.id || `${definition.stream}.${seq}`
    const place = eventPlace(definition)
    const headers = [...event.headers]
    const dead = { id, place, lane: subject, position: seq, key: undefined, headers, payload, time, error }
    await deadLetters.bury(dead, this.#stop.signal, (problem) => counts.wait(problem))
    counts.dead++
  }

  /** Sends a message until the broker has confirmed or refused it. */
  async #send(outgoing: Outgoing): Promise<void> {
    const { counts, report } = this.#parts
    const backoff = createRelayBackoff()
    for (;;) {
      this.#sink ??= this.#parts.definition.to.openSink()
      const opening = this.#sink
      try {
        await this.#confirmed(await opening, outgoing)
        counts.wait(undefined)
        return
      } catch (cause) {
        const error = isSpanwireError(cause) ? cause : new SpanwireError('broker-unavailable', String(cause), { cause })
        if (error.code === 'broker-refused' || error.code === 'payload-too-large') throw error
        if (counts.state === 'running') report(error)
        counts.wait(error)
        // A full queue does not affect the sink.
        if (error.code !== 'rate-limited' && this.#sink === opening) {
          this.#sink = undefined
          void opening.then((sink) => sink.close()).catch(() => {})
        }
      }
      await pauseFor(backoff, this.#stop.signal)
    }
  }

  /** Sends a message. A broker that is full or low on memory may not answer: the relay reports that, and keeps waiting. */
  async #confirmed(sink: ForeignSink, outgoing: Outgoing): Promise<void> {
    const { counts, report, name, definition } = this.#parts
    const late = setTimeout(() => {
      const text = `${name}: no confirmation from ${definition.to.place} for ${PATIENCE} ms. Check its memory and its disk.`
      const error = new SpanwireError('broker-unavailable', text)
      if (counts.state === 'running') report(error)
      counts.wait(error)
    }, PATIENCE)
    try {
      await sink.send(outgoing)
    } finally {
      clearTimeout(late)
    }
  }

  #failed(error: unknown, event: ReceivedEvent): void {
    if (this.#stop.signal.aborted) return
    const { counts, report, name } = this.#parts
    counts.stoppedLanes.add(event.subject)
    const text = messageOf(error)
    const code = isSpanwireError(error) ? error.code : 'invalid-params'
    report(
      new SpanwireError(code, `${name}: ${event.subject} (sequence ${event.seq}) waits: ${text}`, { cause: error }),
    )
  }

  #refused(error: Error): void {
    const { counts, report } = this.#parts
    counts.wait(isSpanwireError(error) ? error : new SpanwireError('broker-refused', error.message))
    counts.state = 'refused'
    report(error)
  }
}

const ANY: StandardSchema = { '~standard': { version: 1, vendor: 'spanwire', validate: (value) => ({ value }) } }

/** @throws SpanwireError `invalid-data` */
async function readEvent(event: ContractEvent, given: ReceivedEvent): Promise<ReceivedEvent> {
  const { subject, seq, time } = given
  const { block } = given.headers
  let decoded: unknown
  try {
    decoded = event.codec.decode(given.payload)
  } catch (cause) {
    throw new SpanwireError('invalid-data', `The data of ${subject} cannot be decoded: ${messageOf(cause)}`, {
      cause,
    })
  }
  const data = await validateVersion(event, decoded, block, subject)
  // A foreign message has no version. It has the current one.
  const isCurrent = sentVersion(block) === String(event.version ?? 1)
  const payload = isCurrent ? given.payload : event.codec.encode(data)
  const message = {
    subject,
    payload,
    time,
    headerBlock: encodeHeaders([...given.headers]),
    ...(seq !== undefined && { seq }),
  }
  return new ReceivedEvent(event, message, data)
}
