/** Lists of JetStream's API that the SDK does not use. */
import { isWholeNumber, membersOf } from '../../../sdk/kit/kinds.ts'
import type { Transport } from '../../../sdk/transport/transport.ts'
import { isSpanwireError, SpanwireError } from '../../../sdk/wire/errors.ts'

/** The fields of JetStream's consumer information that are shown. */
export interface ConsumerInfo {
  readonly stream: string
  readonly consumer: string
  readonly filter: string
  /** Messages that were not delivered yet. */
  readonly pending: number
  /** Messages that were delivered and not acknowledged. */
  readonly unacknowledged: number
  /** Unacknowledged messages that were delivered more than once. */
  readonly redelivered: number
  /** Messages of the stream after the last one that it has acknowledged, of all subjects. */
  readonly lag: number
  /** Pull requests that wait. 0: no process pulls messages. */
  readonly waiting: number
  /** When it last delivered a message, in ms since 1970. */
  readonly lastDelivery?: number
  readonly kind: 'pull' | 'push'
  readonly isDurable: boolean
  readonly isPaused: boolean
}

type Fields = Readonly<Record<string, unknown>>

/** How long an answer may take, in ms. */
const TIMEOUT = 5_000
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/**
 * Sends a request to JetStream's API.
 * @throws SpanwireError (as rejection) `stream-not-found`, `permission-denied`, `timeout`
 */
export async function askJetStream(transport: Transport, action: string, body: object): Promise<Fields> {
  let answer: Fields
  try {
    const { payload } = await transport.request(`$JS.API.${action}`, encoder.encode(JSON.stringify(body)), {
      timeout: TIMEOUT,
    })
    answer = Object(JSON.parse(decoder.decode(payload)))
  } catch (cause) {
    if (isSpanwireError(cause, 'no-responders'))
      throw new SpanwireError('stream-not-found', 'JetStream is unavailable: turn it on in nats-server (-js).', {
        cause,
      })
    throw cause
  }
  if (!answer.error) return answer
  const { description = 'no reason given', code } = membersOf(answer.error)
  throw new SpanwireError(
    code === 404 ? 'stream-not-found' : 'stream-conflict',
    `JetStream refuses ${action}: ${description}.`,
  )
}

/** All pages of a list. */
async function listAll(transport: Transport, action: string, key: string, query: object = {}): Promise<unknown[]> {
  const found: unknown[] = []
  for (;;) {
    const answer = await askJetStream(transport, action, { ...query, offset: found.length })
    const page = Array.isArray(answer[key]) ? answer[key] : []
    found.push(...page)
    if (page.length === 0 || found.length >= Number(answer.total)) return found
  }
}

/** The names of all streams. */
export async function listStreams(transport: Transport): Promise<string[]> {
  const names = await listAll(transport, 'STREAM.NAMES', 'streams')
  return names.filter((name) => typeof name === 'string').sort()
}

/** The consumers of a stream, by name. */
export async function listConsumers(transport: Transport, stream: string): Promise<ConsumerInfo[]> {
  const { state } = await askJetStream(transport, `STREAM.INFO.${stream}`, {})
  const lastSeq = count(Object(state).last_seq)
  const all = await listAll(transport, `CONSUMER.LIST.${stream}`, 'consumers')
  return all
    .map((info) => readConsumer(stream, lastSeq, Object(info)))
    .sort((a, b) => a.consumer.localeCompare(b.consumer))
}

function readConsumer(stream: string, lastSeq: number, info: Fields): ConsumerInfo {
  const config: Fields = Object(info.config)
  const filters = Array.isArray(config.filter_subjects) ? config.filter_subjects : [config.filter_subject]
  const lastDelivery = Date.parse(String(Object(info.delivered).last_active ?? ''))
  return {
    stream,
    consumer: String(info.name),
    filter: filters.filter((filter) => typeof filter === 'string' && filter !== '').join(', ') || '>',
    pending: count(info.num_pending),
    unacknowledged: count(info.num_ack_pending),
    redelivered: count(info.num_redelivered),
    lag: Math.max(0, lastSeq - count(Object(info.ack_floor).stream_seq)),
    waiting: count(info.num_waiting),
    ...(lastDelivery > 0 && { lastDelivery }),
    kind: config.deliver_subject ? 'push' : 'pull',
    isDurable: Boolean(config.durable_name),
    isPaused: info.paused === true,
  }
}

function count(value: unknown): number {
  return isWholeNumber(value) ? value : 0
}
