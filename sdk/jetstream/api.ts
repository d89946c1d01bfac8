import { fromBase64 } from '../wire/base64.ts'
import { isSpanwireError, SpanwireError } from '../wire/errors.ts'
import { isSubsetFilter } from '../wire/subject.ts'
import type { JetStreamLink, StoredMessage } from './link.ts'

/** A stream's configuration, as nats-server writes it: times in ns. What is not named here is kept as it is. */
export interface StreamConfig {
  readonly name: string
  readonly subjects?: readonly string[]
  readonly [field: string]: unknown
}

/** A consumer's configuration, as nats-server writes it: times in ns. What is not named here is kept as it is. */
export interface ConsumerConfig {
  readonly durable_name?: string
  readonly filter_subject?: string
  readonly ack_policy?: string
  /** Only of push consumers. */
  readonly deliver_subject?: string
  readonly ack_wait?: number
  readonly max_ack_pending?: number
  readonly [field: string]: unknown
}

/** What a stream is and has, as of when it was asked. */
export interface StreamState {
  readonly name: string
  /** When it was made, as the server writes it: another stream of the same name has another. */
  readonly epoch: string
  readonly subjects: readonly string[]
  readonly firstSeq: number
  readonly lastSeq: number
  readonly messages: number
  /** Sequences between first and last that are gone. Only if asked for. */
  readonly deleted: readonly number[]
  readonly config: StreamConfig
}

/** What a server answers, as far as it is used. Nothing of it is trusted to be there. */
interface Answer {
  readonly error?: { readonly code?: number; readonly err_code?: number; readonly description?: string }
  readonly config?: StreamConfig | ConsumerConfig
  readonly created?: string
  readonly state?: Readonly<Record<string, unknown>>
  readonly streams?: readonly string[] | null
  readonly name?: string
  readonly message?: {
    readonly subject?: string
    readonly seq?: number
    readonly hdrs?: string
    readonly data?: string
    readonly time?: string
  }
}

export interface JetStreamOptions {
  /** How long to wait for an answer, in ms. Default 5,000. */
  readonly timeout?: number
}

/** How long to wait before what only reads is asked again, in ms. */
const AGAIN = 1_000

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/**
 * JetStream's API, as far as Spanwire needs it. Works on nats-server 2.9 and later, and on the embedded broker.
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
   * The one stream that keeps all subjects of a filter; undefined if none keeps any.
   * @throws SpanwireError `stream-conflict` if streams keep only a part; `stream-not-found` if JetStream isn't there
   */
  async findStream(filter: string): Promise<StreamState | undefined> {
    // Null if there are none.
    const streams = (await this.#read('STREAM.NAMES', { subject: filter })).streams ?? []
    for (const name of streams) {
      const state = await this.streamState(name)
      if (state?.subjects.some((subject) => isSubsetFilter(filter, subject))) return state
    }
    if (streams.length === 0) return undefined
    throw new SpanwireError(
      'stream-conflict',
      `No stream keeps all of ${filter}; a part is kept by ${streams.join(', ')}: subscribe to what one of them keeps.`,
    )
  }

  /** @param options.deleted whether to list what is gone between first and last */
  async streamState(
    name: string,
    { deleted = false }: { readonly deleted?: boolean } = {},
  ): Promise<StreamState | undefined> {
    const gone: number[] = []
    let answer: Answer
    let total = 0
    // Long lists come in parts (2.9 knows no parts, and sends all at once).
    do {
      const body = deleted ? { deleted_details: true, offset: gone.length } : {}
      const given = await unlessMissing(this.#read(`STREAM.INFO.${name}`, body))
      if (!given) return undefined
      answer = given
      const part = answer.state?.deleted
      if (!deleted || !Array.isArray(part) || part.length === 0) break
      // One by one: a call takes about 125,000 arguments, and 2.9 may send more.
      for (const seq of part) if (Number.isSafeInteger(seq)) gone.push(seq)
      total = Number((answer as { total?: unknown }).total) || 0
    } while (gone.length < total)
    const { created, state } = answer
    const config = answer.config as StreamConfig | undefined
    if (!config || typeof created !== 'string') throw unreadable('STREAM.INFO')
    return {
      name,
      epoch: created,
      subjects: config.subjects ?? [],
      firstSeq: count(state?.first_seq),
      lastSeq: count(state?.last_seq),
      messages: count(state?.messages),
      deleted: gone,
      config,
    }
  }

  /** One message, by the word of the stream's leader. Needs no consumer. */
  async message(
    stream: string,
    query: { readonly seq: number; readonly next_by_subj?: string } | { readonly last_by_subj: string },
  ): Promise<StoredMessage | undefined> {
    const answer = await unlessMissing(this.#read(`STREAM.MSG.GET.${stream}`, query))
    if (!answer) return undefined
    const { message } = answer
    if (typeof message?.subject !== 'string' || !Number.isSafeInteger(message.seq)) throw unreadable('MSG.GET')
    return {
      subject: message.subject,
      seq: message.seq as number,
      time: Date.parse(message.time ?? '') || 0,
      pending: 0,
      ...(message.hdrs && { headerBlock: fromBase64(message.hdrs) }),
      payload: fromBase64(message.data ?? ''),
    }
  }

  /** @throws SpanwireError `stream-conflict` */
  async createStream(config: StreamConfig): Promise<void> {
    await this.#ask(`STREAM.CREATE.${config.name}`, config)
  }

  /** @throws SpanwireError `stream-conflict` */
  async updateStream(config: StreamConfig): Promise<void> {
    await this.#ask(`STREAM.UPDATE.${config.name}`, config)
  }

  async deleteStream(name: string): Promise<void> {
    await this.#ask(`STREAM.DELETE.${name}`, {})
  }

  /** Makes a consumer that ends by itself when nobody uses it. Returns its name and how much is pending. */
  async createConsumer(stream: string, config: object): Promise<{ readonly name: string; readonly pending: number }> {
    const answer = await this.#ask(`CONSUMER.CREATE.${stream}`, { stream_name: stream, config })
    if (typeof answer.name !== 'string') throw unreadable('CONSUMER.CREATE')
    return { name: answer.name, pending: count((answer as { num_pending?: unknown }).num_pending) }
  }

  /** How many deliveries of a consumer nobody has acknowledged yet. */
  async unacknowledged(stream: string, name: string): Promise<number> {
    const answer = await this.#read(`CONSUMER.INFO.${stream}.${name}`, {})
    return count((answer as { num_ack_pending?: unknown }).num_ack_pending)
  }

  /** How many messages a consumer has not acknowledged, delivered or not; undefined if there is no such consumer. */
  async backlog(stream: string, name: string): Promise<number | undefined> {
    const answer = await unlessMissing(this.#read(`CONSUMER.INFO.${stream}.${name}`, {}))
    if (!answer) return undefined
    const { num_pending, num_ack_pending } = answer as { num_pending?: unknown; num_ack_pending?: unknown }
    return count(num_pending) + count(num_ack_pending)
  }

  /** The configuration of a consumer; undefined if the stream has none of that name, or there is no such stream. */
  async consumer(stream: string, name: string): Promise<ConsumerConfig | undefined> {
    return (await unlessMissing(this.#read(`CONSUMER.INFO.${stream}.${name}`, {})))?.config
  }

  /**
   * Makes a durable consumer, or changes it. Returns what the server made of it: an older one passes over what it doesn't know.
   * @throws SpanwireError `stream-conflict` for what can't be changed; `stream-not-found`
   */
  async putConsumer(stream: string, name: string, config: ConsumerConfig): Promise<ConsumerConfig> {
    // The younger CONSUMER.CREATE has the filter in its subject, wildcards and all: a bridge takes no such subject.
    const given = { ...config, durable_name: name }
    const body = { stream_name: stream, config: given }
    return (await this.#ask(`CONSUMER.DURABLE.CREATE.${stream}.${name}`, body)).config ?? {}
  }

  /** Doesn't wait: the server would end it by itself a little later. */
  deleteConsumer(stream: string, name: string): void {
    this.link.publish(`$JS.API.CONSUMER.DELETE.${stream}.${name}`, new Uint8Array(), `${this.link.newInbox()}.deleted`)
  }

  /**
   * Asks until something answers: what a server is asked while there is no leader it drops without a word. A late answer to
   * an earlier question counts as well.
   */
  async #read(action: string, body: object): Promise<Answer> {
    const deadline = performance.now() + this.#timeout
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const over = new AbortController()
    const ask = () => {
      const left = Math.max(deadline - performance.now(), 1)
      this.#ask(action, body, { timeout: left, signal: over.signal }).then(resolve, reject)
    }
    const timer = setInterval(ask, AGAIN)
    ask()
    try {
      return await promise
    } finally {
      clearInterval(timer)
      over.abort()
    }
  }

  async #ask(
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
        throw new SpanwireError('stream-not-found', 'JetStream is not there: turn it on in nats-server (-js).', {
          cause,
        })
      throw isSpanwireError(cause) ? cause : unreadable(action, cause)
    }
    if (answer.error) throw refusal(action, answer.error)
    return answer
  }
}

/** err_codes of nats-server's errors.json: stream, consumer and message not found. */
const MISSING = [10059, 10014, 10037]
/** JetStream is not enabled: for the server, for the account. */
const DISABLED = [10076, 10039]

function refusal(action: string, error: NonNullable<Answer['error']>): SpanwireError {
  const { code, err_code = 0, description = 'no reason given' } = error
  const cause = { err_code, code }
  const text = `JetStream refuses ${action}: ${description}.`
  if (MISSING.includes(err_code) || DISABLED.includes(err_code) || code === 404)
    return new SpanwireError('stream-not-found', text, { cause })
  // No leader at the moment, or starting up.
  if (code === 503) return new SpanwireError('upstream-unavailable', text, { cause })
  return new SpanwireError('stream-conflict', text, { cause })
}

/** Undefined for what the server says isn't there. */
async function unlessMissing(asked: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await asked
  } catch (error) {
    if (isSpanwireError(error, 'stream-not-found') && isMissing(error)) return undefined
    throw error
  }
}

function isMissing({ cause }: SpanwireError): boolean {
  const { err_code = 0, code } = Object(cause) as { err_code?: number; code?: number }
  return MISSING.includes(err_code) || (code === 404 && !DISABLED.includes(err_code))
}

function count(value: unknown): number {
  return Number.isSafeInteger(value) ? (value as number) : 0
}

function unreadable(action: string, cause?: unknown): SpanwireError {
  return new SpanwireError('protocol-violation', `The answer to ${action} can't be read.`, { cause })
}
