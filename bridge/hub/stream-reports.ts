import type { JetStreamLink } from '../../sdk/jetstream/jetstream-link.ts'
import { isSpanwireError, SpanwireError } from '../../sdk/wire/errors.ts'
import { countDeadLetters, type DeadLetterCount } from './dead-letter-counts.ts'

/** Streams and consumers of one report. */
const MAX_STREAMS = 100
const MAX_CONSUMERS = 200
/** Time for an answer, in ms. */
const TIMEOUT = 3_000
/** How long a report is reused, in ms. All viewers share its queries. */
const FRESH = 2_000

/** A stream and its consumers. Names are nats-server's. */
export interface StreamReport {
  readonly name: string
  readonly subjects: readonly string[]
  readonly messages: number
  readonly bytes: number
  readonly first_seq: number
  readonly last_seq: number
  /** Time of the last message. */
  readonly last_ts: string
  readonly consumer_count: number
  readonly consumers: readonly ConsumerReport[]
}

/** A consumer. */
export interface ConsumerReport {
  readonly name: string
  readonly filter: string
  readonly durable: boolean
  /** Messages that were not delivered yet. */
  readonly num_pending: number
  /** Delivered messages without an acknowledgement. */
  readonly num_ack_pending: number
  readonly num_redelivered: number
  /** Messages that it has not acknowledged, delivered or not. */
  readonly lag: number
}

/** Streams and consumers of JetStream. */
export interface JetStreamReport {
  readonly enabled: boolean
  /** Number of streams. The list may have fewer. */
  readonly total: number
  readonly streams: readonly StreamReport[]
  /** Dead letters, if the bridge was given their filters. */
  readonly dead_letters?: readonly DeadLetterCount[]
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

type Fields = Readonly<Record<string, unknown>>

/** Reads streams and consumers, at most once per 2 s. */
export class StreamReports {
  readonly #link: JetStreamLink
  readonly #clock: () => number
  readonly #deadLetters: readonly string[]
  #last: { readonly at: number; readonly report: Promise<JetStreamReport> } | undefined

  /** @param deadLetters filters of dead letters, which are counted by subject */
  constructor(link: JetStreamLink, clock: () => number, deadLetters: readonly string[] = []) {
    this.#deadLetters = deadLetters
    this.#link = link
    this.#clock = clock
  }

  /** @throws SpanwireError (as rejection) `timeout`, `upstream-unavailable` */
  read(): Promise<JetStreamReport> {
    if (this.#last && this.#clock() - this.#last.at < FRESH) return this.#last.report
    const report = this.#query()
    this.#last = { at: this.#clock(), report }
    report.catch(() => {
      this.#last = undefined
    })
    return report
  }

  async #query(): Promise<JetStreamReport> {
    try {
      const { items, total } = await this.#list('STREAM.LIST', 'streams', MAX_STREAMS)
      const streams: StreamReport[] = []
      // One by one: a report is not urgent, and a burst would delay the requests of clients.
      for (const stream of items) streams.push(await this.#report(stream))
      const dead = await countDeadLetters(this.#link, streams, this.#deadLetters, TIMEOUT)
      return { enabled: true, total, streams, ...(this.#deadLetters.length > 0 && { dead_letters: dead }) }
    } catch (error) {
      if (isSpanwireError(error, 'no-responders')) return { enabled: false, total: 0, streams: [] }
      throw error
    }
  }

  async #report(stream: Fields): Promise<StreamReport> {
    const { name, subjects } = Object(stream.config) as { name: string; subjects?: string[] }
    const state: Fields = Object(stream.state)
    const consumers = count(state.consumer_count)
    const list = consumers > 0 ? await this.#list(`CONSUMER.LIST.${name}`, 'consumers', MAX_CONSUMERS) : { items: [] }
    return {
      name,
      subjects: subjects ?? [],
      messages: count(state.messages),
      bytes: count(state.bytes),
      first_seq: count(state.first_seq),
      last_seq: count(state.last_seq),
      last_ts: String(state.last_ts ?? ''),
      consumer_count: consumers,
      consumers: list.items.map(readConsumer),
    }
  }

  /** The first `max` items of a list. A page of nats-server has 256. */
  async #list(action: string, key: string, max: number): Promise<{ readonly items: Fields[]; readonly total: number }> {
    const items: Fields[] = []
    for (;;) {
      const body = encoder.encode(JSON.stringify({ offset: items.length }))
      const { payload } = await this.#link.request(`$JS.API.${action}`, body, { timeout: TIMEOUT })
      const answer: Fields = Object(JSON.parse(decoder.decode(payload)))
      if (answer.error)
        throw new SpanwireError('request-refused', `JetStream refuses ${action}: ${Object(answer.error).description}.`)
      const page = Array.isArray(answer[key]) ? answer[key].map((item) => Object(item) as Fields) : []
      items.push(...page)
      const total = Math.max(count(answer.total), items.length)
      if (page.length === 0 || items.length >= Math.min(total, max)) return { items: items.slice(0, max), total }
    }
  }
}

function readConsumer(info: Fields): ConsumerReport {
  const config: Fields = Object(info.config)
  const filters = Array.isArray(config.filter_subjects) ? config.filter_subjects : [config.filter_subject]
  const [pending, unacknowledged] = [count(info.num_pending), count(info.num_ack_pending)]
  return {
    name: String(info.name),
    filter: filters.filter((filter) => typeof filter === 'string' && filter !== '').join(', ') || '>',
    durable: Boolean(config.durable_name),
    num_pending: pending,
    num_ack_pending: unacknowledged,
    num_redelivered: count(info.num_redelivered),
    lag: pending + unacknowledged,
  }
}

function count(value: unknown): number {
  return Number.isSafeInteger(value) ? (value as number) : 0
}
