import { JetStreamApi } from '../../sdk/jetstream/api.ts'
import type { Transport } from '../../sdk/transport/transport.ts'
import { transportLink } from '../../sdk/transport/transport-link.ts'
import { isSpanwireError, SpanwireError } from '../../sdk/wire/errors.ts'
import { BatchStore } from './batch-store.ts'
import type { RelayCounts } from './counts.ts'
import { DeadLetters } from './dead-letters.ts'
import type { InwardDefinition } from './declare.ts'
import type { ForeignSource, Incoming } from './foreign.ts'
import { IdStore } from './id-store.ts'
import { Lane, type LaneResult } from './lane.ts'
import { mapIncoming } from './map-in.ts'
import { createRelayBackoff, pauseFor, whenOpen } from './retry.ts'
import type { LaneStore } from './store.ts'
import { prepareStream, type TargetStream } from './target-stream.ts'

/** The parts of a relay of either direction. */
export interface RelayParts<Definition> {
  /** The relay's name. */
  readonly name: string
  /** Its declaration. */
  readonly definition: Definition
  /** The connection to NATS. */
  readonly transport: Transport
  /** Name of the process, in checkpoints. */
  readonly owner: string
  /** Its statistics. */
  readonly counts: RelayCounts
  /** Called with each problem and each warning. */
  readonly report: (problem: Error) => void
}

/** The time that a drain waits for parts in progress, in ms. */
const DRAIN = 10_000
/** The largest message if NATS does not announce a limit: the default of nats-server, in bytes. */
const MAX_PAYLOAD = 1024 * 1024
/** Lanes that may have two unfinished batches each. Relays of other processes share the limit of the stream, which is 50. */
const FEW_LANES = 8
/** Errors after which another attempt has no effect. */
const REFUSALS = [
  'invalid-argument',
  'unsupported',
  'broker-refused',
  'permission-denied',
  'authentication-failed',
  'connection-closed',
]

/** Relays messages of a foreign broker into a stream. */
export class InwardRelay {
  /** Resolves when messages can flow. Rejects if the relay is refused. */
  readonly ready: Promise<void>
  readonly #parts: RelayParts<InwardDefinition>
  readonly #api: JetStreamApi
  readonly #ready = Promise.withResolvers<void>()
  readonly #deadLetters: DeadLetters | undefined
  /** Aborted at the end of a drain. */
  readonly #stop = new AbortController()
  readonly #ended: Promise<void>
  #session: InwardSession | undefined
  #isReady = false
  #isDraining = false

  constructor(parts: RelayParts<InwardDefinition>) {
    this.#parts = parts
    const { name, transport, definition } = parts
    this.#api = new JetStreamApi(transportLink(transport))
    const { deadLetter } = definition
    this.#deadLetters = deadLetter === undefined ? undefined : new DeadLetters(transport, name, deadLetter)
    this.ready = this.#ready.promise
    this.ready.catch(() => {})
    this.#ended = this.#run()
  }

  /** Finishes the parts in progress, and returns other messages to the broker. Idempotent. */
  async drain(): Promise<void> {
    this.#isDraining = true
    const late = setTimeout(() => this.#stop.abort(), DRAIN)
    await this.#session?.drain()
    clearTimeout(late)
    this.#stop.abort()
    await this.#ended
    await this.#deadLetters?.close()
    this.#parts.counts.state = 'stopped'
  }

  /** Returns the number of messages of the source that are not relayed. */
  async lag(): Promise<number | undefined> {
    return this.#session?.lag()
  }

  async #run(): Promise<void> {
    const { counts, report } = this.#parts
    const backoff = createRelayBackoff()
    while (!this.#isDraining) {
      try {
        await this.#open()
        backoff.failures = 0
        await this.#session?.ended
      } catch (cause) {
        if (this.#isDraining) break
        const error = isSpanwireError(cause) ? cause : new SpanwireError('broker-unavailable', String(cause), { cause })
        counts.wait(error)
        if (this.#isRefusal(error)) return this.#refused(error)
        report(error)
      } finally {
        await this.#session?.close()
        this.#session = undefined
      }
      await pauseFor(backoff, this.#stop.signal).catch(() => {})
    }
    this.#ready.reject(new SpanwireError('aborted', 'The relay was drained before it was ready.'))
  }

  async #open(): Promise<void> {
    const { definition, name, transport, counts, report } = this.#parts
    await whenOpen(transport, this.#stop.signal)
    const stream = await prepareStream(this.#api, definition.stream, name)
    await this.#deadLetters?.check(this.#api)
    const mode = definition.store === 'ids' ? 'ids' : stream.mode
    const session = new InwardSession(this.#parts, this.#api, { ...stream, mode }, this.#deadLetters)
    this.#session = session
    await session.open()
    counts.guarantee = describeGuarantee(definition, { ...stream, mode }, session.isExclusive)
    if (stream.why !== undefined && definition.store !== 'ids' && counts.warn(`Without atomic batches: ${stream.why}.`))
      report(
        new SpanwireError('unsupported', `${name}: without atomic batches, as ${stream.why}. Message ids are used.`),
      )
    counts.wait(undefined)
    this.#isReady = true
    this.#ready.resolve()
  }

  #isRefusal(error: SpanwireError): boolean {
    if (REFUSALS.includes(error.code)) return true
    // With a cause it is the answer of a server, which may have no leader at the moment.
    return error.code === 'stream-not-found' && error.cause === undefined && !this.#isReady
  }

  #refused(error: SpanwireError): void {
    const { counts, report } = this.#parts
    counts.state = 'refused'
    report(error)
    this.#ready.reject(error)
  }
}

function describeGuarantee(definition: InwardDefinition, stream: TargetStream, isExclusive: boolean): string {
  const seconds = stream.duplicateWindow / 1_000
  const order = isExclusive ? 'in the order of each lane' : 'without order between several relays'
  if (stream.mode === 'batches' && isExclusive)
    return `atomic batches with a checkpoint, ${order}; ${definition.from.identity}; ids are remembered for ${seconds} s`
  const way = stream.mode === 'batches' ? 'atomic batches' : 'message ids, in the order of each subject'
  return `${way}, ${order}; ${definition.from.identity}; a repetition after ${seconds} s is stored twice`
}

/** An open source with its lanes. */
class InwardSession {
  readonly ended: Promise<void>
  readonly #parts: RelayParts<InwardDefinition>
  readonly #api: JetStreamApi
  readonly #stream: TargetStream
  readonly #deadLetters: DeadLetters | undefined
  readonly #lanes = new Map<string, Lane>()
  readonly #settling = new Set<Promise<void>>()
  readonly #stop = new AbortController()
  readonly #failed = Promise.withResolvers<void>()
  #source: ForeignSource | undefined
  #held = 0
  #heldBytes = 0
  #isPaused = false
  #isDraining = false

  constructor(
    parts: RelayParts<InwardDefinition>,
    api: JetStreamApi,
    stream: TargetStream,
    deadLetters: DeadLetters | undefined,
  ) {
    this.#parts = parts
    this.#api = api
    this.#stream = stream
    this.#deadLetters = deadLetters
    this.ended = this.#failed.promise
    this.ended.catch(() => {})
  }

  get isExclusive(): boolean {
    return this.#source?.exclusive ?? false
  }

  async open(): Promise<void> {
    const { definition, name, counts, report } = this.#parts
    const early: Array<readonly Incoming[]> = []
    this.#source = await definition.from.openSource({
      relay: name,
      window: definition.window,
      windowBytes: definition.windowBytes,
      handler: {
        messages: (batch) => (this.#source ? this.#take(batch) : void early.push(batch)),
        lost: (lanes) => this.#lose(lanes),
        failed: (error) => this.#failed.reject(error),
      },
      warn: (text) => {
        if (counts.warn(text)) report(new SpanwireError('broker-refused', `${name}: ${text}`))
      },
    })
    for (const batch of early) this.#take(batch)
  }

  /** Stores and settles the parts in progress. */
  async drain(): Promise<void> {
    this.#isDraining = true
    this.#source?.pause()
    await this.close()
  }

  async close(): Promise<void> {
    // Parts in progress may wait for NATS. A drain waits for them, another close does not.
    if (!this.#isDraining) this.#stop.abort()
    await Promise.all([...this.#lanes.values()].map((lane) => lane.close()))
    this.#lanes.clear()
    await Promise.allSettled(this.#settling)
    this.#stop.abort()
    await this.#source?.close()
    this.#failed.resolve()
  }

  async lag(): Promise<number | undefined> {
    return this.#source?.lag()
  }

  #take(batch: readonly Incoming[]): void {
    const { counts } = this.#parts
    if (this.#isDraining) return
    for (const [name, given] of Map.groupBy(batch, ({ lane }) => lane)) {
      const lane = this.#lanes.get(name) ?? this.#addLane(name)
      if (!lane.add(given)) continue
      for (const { redelivered, payload } of given) {
        if (redelivered) counts.redelivered++
        this.#held++
        this.#heldBytes += payload?.length ?? 0
      }
    }
    this.#balance()
  }

  #addLane(name: string): Lane {
    const { counts, transport, report } = this.#parts
    const limits = { maxMessage: Math.min(transport.maxPayload ?? MAX_PAYLOAD, this.#stream.maxMessageSize) }
    const lane = new Lane(name, this.#storeFor(name), {
      map: (incoming) => {
        const mapped = mapIncoming(this.#parts.definition, incoming, limits)
        return mapped instanceof Promise ? mapped.then((later) => this.#count(later)) : this.#count(mapped)
      },
      refuse: (incoming, error) => this.#refuse(incoming, error),
      done: (part, result) => this.#done(part, result),
      dropped: (messages) => this.#release(messages),
      broken: (_, error) => {
        report(error instanceof Error ? error : new Error(String(error)))
        this.#failed.reject(error)
      },
    })
    counts.stoppedLanes.delete(name)
    this.#lanes.set(name, lane)
    return lane
  }

  #storeFor(lane: string): LaneStore {
    const { transport, name: relay, owner, counts, definition } = this.#parts
    const options = { signal: this.#stop.signal, waiting: (error: SpanwireError | undefined) => counts.wait(error) }
    if (this.#stream.mode === 'ids') return new IdStore(transport, options)
    const { exclusive = false, epoch = '' } = this.#source ?? {}
    const depth = this.#lanes.size < FEW_LANES ? 2 : 1
    const target = { stream: definition.stream, relay, lane, owner, epoch, exclusive, depth }
    return new BatchStore(transport, this.#api, target, options)
  }

  #count<Mapped extends ReturnType<typeof mapIncoming>>(mapped: Mapped): Mapped {
    if ('kind' in mapped && mapped.kind === 'event' && mapped.item.id === undefined) {
      const { counts, report, name, definition } = this.#parts
      counts.withoutId++
      const text = `Messages of ${definition.from.place} have no id. One that is delivered again is stored twice.`
      if (counts.warn(text)) report(new SpanwireError('invalid-header', `${name}: ${text}`))
    }
    return mapped
  }

  async #refuse(incoming: Incoming, error: SpanwireError): Promise<boolean> {
    const { counts, report, name, definition } = this.#parts
    const { id, lane, position, key, headers, payload, time = Date.now() } = incoming
    let why = error
    try {
      if (this.#deadLetters) {
        const known = id ?? (position === undefined ? undefined : `${lane}/${position}`)
        const dead = { id: known, place: definition.from.place, lane, position, key, headers, payload, time, error }
        await this.#deadLetters.bury(dead, this.#stop.signal, (problem) => counts.wait(problem))
        counts.dead++
        return true
      }
    } catch (cause) {
      if (!isSpanwireError(cause) || cause.code === 'aborted') throw cause
      why = new SpanwireError(cause.code, `${error.message} The dead letter refuses it: ${cause.message}`, {
        cause,
      })
    }
    const hint = this.#deadLetters ? '' : ' Declare a deadLetter, or change the schema or the mapping, then restart.'
    counts.stoppedLanes.add(lane)
    report(new SpanwireError(why.code, `${name}: ${lane} stops at a message: ${why.message}${hint}`, { cause: why }))
    return false
  }

  #done(part: readonly Incoming[], { relayed, duplicates, loops, ignored, repeated }: LaneResult): void {
    const { counts } = this.#parts
    counts.relayed += relayed
    counts.duplicates += duplicates + repeated
    counts.loops += loops
    counts.ignored += ignored
    counts.lastTime = part.at(-1)?.time ?? Date.now()
    this.#release(part)
    const settled = (this.#source as ForeignSource).settle(part).catch((error) => this.#failed.reject(error))
    const tracked = settled.finally(() => this.#settling.delete(tracked))
    this.#settling.add(tracked)
  }

  #lose(lanes: readonly string[]): void {
    for (const name of lanes) {
      const lane = this.#lanes.get(name)
      this.#lanes.delete(name)
      if (lane) this.#release(lane.waiting)
      void lane?.close()
    }
  }

  #release(messages: readonly Incoming[]): void {
    for (const { payload } of messages) {
      this.#held--
      this.#heldBytes -= payload?.length ?? 0
    }
    this.#balance()
  }

  #balance(): void {
    const { window, windowBytes } = this.#parts.definition
    const isFull = this.#held >= window || this.#heldBytes >= windowBytes
    if (isFull && !this.#isPaused) this.#source?.pause()
    if (isFull) this.#isPaused = true
    const hasRoom = this.#held <= window / 2 && this.#heldBytes <= windowBytes / 2
    if (!hasRoom || !this.#isPaused || this.#isDraining) return
    this.#isPaused = false
    this.#source?.resume()
  }
}
