import { createDeferred } from '../kit/deferred.ts'
import { fromBase64 } from '../wire/base64.ts'
import { isSpanwireError, SpanwireError } from '../wire/errors.ts'
import { isWithin, splitFilters } from '../wire/filter-list.ts'
import type { JetStreamLink, StoredMessage } from './jetstream-link.ts'

/** Configuration of a stream in the format of nats-server, with times in ns. Other fields are preserved. */
export interface StreamConfig {
  /** Name of the stream. */
  readonly name: string
  /** Subject filters of the messages that it stores. */
  readonly subjects?: readonly string[]
  readonly [field: string]: unknown
}

/** Configuration of a consumer in the format of nats-server, with times in ns. Other fields are preserved. */
export interface ConsumerConfig {
  readonly durable_name?: string
  readonly filter_subject?: string
  /** Requires nats-server 2.10. */
  readonly filter_subjects?: readonly string[]
  readonly ack_policy?: string
  /** Only for push consumers. */
  readonly deliver_subject?: string
  readonly ack_wait?: number
  readonly max_ack_pending?: number
  readonly [field: string]: unknown
}

/** State of a stream at the time of the query. */
export interface StreamState {
  /** Name of the stream. */
  readonly name: string
  /** Creation time, as the server formats it. A stream that was created again has another. */
  readonly epoch: string
  /** Subject filters of the messages that it stores. */
  readonly subjects: readonly string[]
  /** First sequence. */
  readonly firstSeq: number
  /** Last sequence. */
  readonly lastSeq: number
  /** Number of messages. */
  readonly messages: number
  /** Sequences between first and last that were removed. Empty unless requested. */
  readonly deleted: readonly number[]
  /** Number of messages of other streams that it has not copied. JetStream estimates it. */
  readonly sourceLag: number
  /** Configuration. */
  readonly config: StreamConfig
}

/** Members of an answer of the server. All of them may be missing. */
interface Answer {
  readonly error?: { readonly code?: number; readonly err_code?: number; readonly description?: string }
  readonly config?: Partial<StreamConfig> & ConsumerConfig
  readonly created?: string
  readonly state?: Readonly<Record<string, unknown>>
  readonly streams?: readonly string[] | null
  readonly name?: string
  readonly total?: unknown
  readonly num_pending?: unknown
  readonly num_ack_pending?: unknown
  readonly num_redelivered?: unknown
  readonly ack_floor?: { readonly stream_seq?: unknown }
  readonly priority_groups?: ReadonlyArray<{ readonly pinned_ts?: string }>
  readonly ts?: string
  readonly sources?: ReadonlyArray<{ readonly lag?: unknown }>
  readonly message?: {
    readonly subject?: string
    readonly seq?: number
    readonly hdrs?: string
    readonly data?: string
    readonly time?: string
  }
}

/** Messages that a consumer has not finished. */
export interface Lag {
  readonly pending: number
  readonly unacknowledged: number
  readonly redelivered: number
}

/** Progress of a consumer. */
export interface Progress {
  /** All messages of its filter up to this sequence are acknowledged. */
  readonly floor: number
  /** Number of unacknowledged deliveries. */
  readonly unacknowledged: number
  /** Time since the consumer was pinned to its present client, in ms. NaN if it has none. */
  readonly pinnedFor: number
}

/** Options of {@link JetStreamApi}. */
export interface JetStreamOptions {
  /** Time for an answer, in ms. Default 5,000. */
  readonly timeout?: number
}

/** Interval at which a query without an answer is sent again, in ms. */
const RESEND = 1_000

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/**
 * The part of JetStream's API that Spanwire uses. Works with nats-server 2.9 and later, and with the embedded broker.
 * Source: https://docs.nats.io/reference/reference-protocols/nats_api_reference
 */
export class JetStreamApi {
  readonly link: JetStreamLink
  readonly #timeout: number

  constructor(link: JetStreamLink, { timeout = 5_000 }: JetStreamOptions = {}) {
    this.link = link
    this.#timeout = timeout
  }

  /**
   * Finds the stream that stores all subjects of a list of filters. Undefined if no stream stores any of the first filter.
   * @throws SpanwireError `stream-conflict` if streams store only a part, `stream-not-found` if JetStream is not enabled
   */
  async findStream(filter: string): Promise<StreamState | undefined> {
    // The server answers null for an empty list.
    const streams = (await this.#read('STREAM.NAMES', { subject: splitFilters(filter)[0] })).streams ?? []
    for (const name of streams) {
      const state = await this.streamState(name)
      if (state && isWithin(filter, state.subjects)) return state
    }
    if (streams.length === 0) return undefined
    throw new SpanwireError(
      'stream-conflict',
      `No stream stores all subjects of ${filter}. ${streams.join(', ')} store a part: use a filter within one stream.`,
    )
  }

  /**
   * Queries the state of a stream. Undefined if it does not exist.
   * @param options.deleted whether to list removed sequences between first and last
   */
  async streamState(
    name: string,
    { deleted = false }: { readonly deleted?: boolean } = {},
  ): Promise<StreamState | undefined> {
    const gone: number[] = []
    let answer: Answer
    let total = 0
    // Long lists are sent in parts. (2.9 sends the whole list.)
    do {
      const body = deleted ? { deleted_details: true, offset: gone.length } : {}
      const given = await unlessMissing(this.#read(`STREAM.INFO.${name}`, body))
      if (!given) return undefined
      answer = given
      const part = answer.state?.deleted
      if (!deleted || !Array.isArray(part) || part.length === 0) break
      // One by one: a call takes about 125,000 arguments, and 2.9 may send more.
      for (const seq of part) if (Number.isSafeInteger(seq)) gone.push(seq)
      total = Number(answer.total) || 0
    } while (gone.length < total)
    const { created, state, config, sources = [] } = answer
    if (!config || typeof created !== 'string') throw unreadable('STREAM.INFO')
    return {
      name,
      epoch: created,
      subjects: config.subjects ?? [],
      firstSeq: count(state?.first_seq),
      lastSeq: count(state?.last_seq),
      messages: count(state?.messages),
      deleted: gone,
      sourceLag: sources.reduce((sum, { lag }) => sum + count(lag), 0),
      config: { ...config, name },
    }
  }

  /** Reads the first message from a sequence on, without a consumer. Undefined if it does not exist. */
  async nextMessage(stream: string, filter: string, seq: number): Promise<StoredMessage | undefined> {
    const found = splitFilters(filter).map((one) => this.message(stream, { seq, next_by_subj: one }))
    return first(await Promise.all(found), (a, b) => a.seq - b.seq)
  }

  /** Reads the last message, without a consumer. Undefined if it does not exist. */
  async lastMessage(stream: string, filter: string): Promise<StoredMessage | undefined> {
    const found = splitFilters(filter).map((one) => this.message(stream, { last_by_subj: one }))
    return first(await Promise.all(found), (a, b) => b.seq - a.seq)
  }

  /** Reads one message from the stream's leader. Undefined if it does not exist. */
  async message(
    stream: string,
    query: { readonly seq: number; readonly next_by_subj?: string } | { readonly last_by_subj: string },
  ): Promise<StoredMessage | undefined> {
    const answer = await unlessMissing(this.#read(`STREAM.MSG.GET.${stream}`, query))
    if (!answer) return undefined
    const { message } = answer
    const seq = count(message?.seq)
    if (typeof message?.subject !== 'string' || seq === 0) throw unreadable('MSG.GET')
    return {
      subject: message.subject,
      seq,
      time: Date.parse(message.time ?? '') || 0,
      pending: 0,
      ...(message.hdrs && { headerBlock: fromBase64(message.hdrs) }),
      payload: fromBase64(message.data ?? ''),
    }
  }

  /**
   * Creates a stream. Returns its configuration: an older server ignores fields that it does not support.
   * @throws SpanwireError `stream-conflict`
   */
  async createStream(config: StreamConfig): Promise<Partial<StreamConfig>> {
    return (await this.#request(`STREAM.CREATE.${config.name}`, config)).config ?? {}
  }

  /**
   * Changes the configuration of a stream. Returns it, like `createStream`.
   * @throws SpanwireError `stream-conflict`
   */
  async updateStream(config: StreamConfig): Promise<Partial<StreamConfig>> {
    return (await this.#request(`STREAM.UPDATE.${config.name}`, config)).config ?? {}
  }

  /** Deletes a stream. */
  async deleteStream(name: string): Promise<void> {
    await this.#request(`STREAM.DELETE.${name}`, {})
  }

  /**
   * Creates an ephemeral consumer. Returns its name and the number of pending messages. A server without a leader drops the
   * request silently. It is repeated, except for a push consumer: two of them would send to one subject.
   * @param timeout in ms. Default: that of this API
   * @throws SpanwireError (as rejection) `unsupported` if the server does not support several filters
   */
  async createConsumer(
    stream: string,
    config: ConsumerConfig,
    timeout: number = this.#timeout,
  ): Promise<{ readonly name: string; readonly pending: number }> {
    const action = `CONSUMER.CREATE.${stream}`
    const body = { stream_name: stream, config }
    const answer = await (config.deliver_subject === undefined
      ? this.#read(action, body, timeout)
      : this.#request(action, body, { timeout }))
    if (typeof answer.name !== 'string') throw unreadable('CONSUMER.CREATE')
    if (!hasFilters(answer.config, config)) {
      this.deleteConsumer(stream, answer.name)
      throw tooOldForFilters()
    }
    return { name: answer.name, pending: count(answer.num_pending) }
  }

  /** Removes all messages before a sequence. */
  async purgeStream(name: string, before: number): Promise<void> {
    await this.#request(`STREAM.PURGE.${name}`, { seq: before })
  }

  /**
   * Returns the progress of a consumer.
   * @throws SpanwireError (as rejection) `stream-not-found`
   */
  async consumerProgress(stream: string, name: string): Promise<Progress> {
    const answer = await this.#read(`CONSUMER.INFO.${stream}.${name}`, {})
    return {
      floor: count(answer.ack_floor?.stream_seq),
      unacknowledged: count(answer.num_ack_pending),
      pinnedFor: Date.parse(answer.ts ?? '') - Date.parse(answer.priority_groups?.[0]?.pinned_ts ?? ''),
    }
  }

  /** Returns the numbers of messages that a consumer has not finished. Undefined if it does not exist. */
  async consumerLag(stream: string, name: string): Promise<Lag | undefined> {
    const answer = await unlessMissing(this.#read(`CONSUMER.INFO.${stream}.${name}`, {}))
    return (
      answer && {
        pending: count(answer.num_pending),
        unacknowledged: count(answer.num_ack_pending),
        redelivered: count(answer.num_redelivered),
      }
    )
  }

  /** Returns the configuration of a consumer. Undefined if the consumer or the stream does not exist. */
  async consumer(stream: string, name: string): Promise<ConsumerConfig | undefined> {
    return (await unlessMissing(this.#read(`CONSUMER.INFO.${stream}.${name}`, {})))?.config
  }

  /**
   * Creates or changes a durable consumer. Returns its configuration: an older server ignores fields that it does not
   * support.
   * @throws SpanwireError `stream-conflict` for fields that cannot be changed, `stream-not-found`
   */
  async putConsumer(stream: string, name: string, config: ConsumerConfig): Promise<ConsumerConfig> {
    // The newer CONSUMER.CREATE has the filter in its subject. A bridge does not accept a subject with wildcards.
    const given = { ...config, durable_name: name }
    const body = { stream_name: stream, config: given }
    return (await this.#request(`CONSUMER.DURABLE.CREATE.${stream}.${name}`, body)).config ?? {}
  }

  /** Deletes a consumer, without a confirmation: the server removes an unused consumer after its threshold. */
  deleteConsumer(stream: string, name: string): void {
    this.link.publish(`$JS.API.CONSUMER.DELETE.${stream}.${name}`, new Uint8Array(), `${this.link.newInbox()}.deleted`)
  }

  /**
   * Repeats a query until an answer arrives: a server without a leader drops queries silently. A late answer to an earlier
   * query is accepted.
   */
  async #read(action: string, body: object, timeout: number = this.#timeout): Promise<Answer> {
    const deadline = performance.now() + timeout
    const { promise, resolve, reject } = createDeferred<Answer>()
    const over = new AbortController()
    const send = () => {
      const left = Math.max(deadline - performance.now(), 1)
      this.#request(action, body, { timeout: left, signal: over.signal }).then(resolve, reject)
    }
    const timer = setInterval(send, RESEND)
    send()
    try {
      return await promise
    } finally {
      clearInterval(timer)
      over.abort()
    }
  }

  async #request(
    action: string,
    body: object,
    options: { readonly timeout: number; readonly signal?: AbortSignal } = { timeout: this.#timeout },
  ): Promise<Answer> {
    let answer: Answer
    try {
      const { payload } = await this.link.request(`$JS.API.${action}`, encoder.encode(JSON.stringify(body)), options)
      answer = Object(JSON.parse(decoder.decode(payload)))
    } catch (cause) {
      if (isSpanwireError(cause, 'no-responders'))
        throw new SpanwireError('stream-not-found', 'JetStream is not enabled: start nats-server with -js.', {
          cause,
        })
      throw isSpanwireError(cause) ? cause : unreadable(action, cause)
    }
    if (answer.error) throw refusal(action, answer.error)
    return answer
  }
}

/** Returns the fields of a consumer's configuration for a list of filters. */
export function toFilters(list: string): Pick<ConsumerConfig, 'filter_subject' | 'filter_subjects'> {
  const filters = splitFilters(list)
  return filters.length > 1 ? { filter_subjects: filters } : { filter_subject: list }
}

/** Whether a consumer has the filters that were requested. nats-server before 2.10 ignores several filters. */
export function hasFilters(consumer: ConsumerConfig = {}, { filter_subjects }: ConsumerConfig): boolean {
  return filter_subjects === undefined || consumer.filter_subjects?.length === filter_subjects.length
}

/** Returns the error for a server that does not support several filters. */
export function tooOldForFilters(): SpanwireError {
  return new SpanwireError(
    'unsupported',
    'Several events in one subscription require nats-server 2.10 or later: upgrade it, or subscribe to each event.',
  )
}

function first<Item>(items: ReadonlyArray<Item | undefined>, compare: (a: Item, b: Item) => number): Item | undefined {
  return items.filter((item) => item !== undefined).sort(compare)[0]
}

/** Values of err_code for a missing stream, consumer and message. Source: nats-server's errors.json */
const MISSING = [10059, 10014, 10037]
/** Values of err_code for a server and an account without JetStream. */
const DISABLED = [10076, 10039]

function refusal(action: string, error: NonNullable<Answer['error']>): SpanwireError {
  const { code, err_code = 0, description = 'no reason given' } = error
  const cause = { err_code, code }
  const text = `JetStream refuses ${action}: ${description}.`
  if (MISSING.includes(err_code) || DISABLED.includes(err_code) || code === 404)
    return new SpanwireError('stream-not-found', text, { cause })
  // JetStream has no leader, or is starting.
  if (code === 503) return new SpanwireError('upstream-unavailable', text, { cause })
  return new SpanwireError('stream-conflict', text, { cause })
}

/** Resolves with undefined if the server answers that the object does not exist. */
async function unlessMissing(query: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await query
  } catch (error) {
    if (isSpanwireError(error, 'stream-not-found') && isMissing(error)) return undefined
    throw error
  }
}

function isMissing({ cause }: SpanwireError): boolean {
  const { err_code = 0, code }: { err_code?: number; code?: number } = Object(cause)
  return MISSING.includes(err_code) || (code === 404 && !DISABLED.includes(err_code))
}

function count(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : 0
}

function unreadable(action: string, cause?: unknown): SpanwireError {
  return new SpanwireError('protocol-violation', `The answer to ${action} is malformed.`, { cause })
}
