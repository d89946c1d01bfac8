import { createDeferred } from '../kit/deferred.ts'
import { encode } from '../wire/bytes.ts'
import { SpanwireError } from '../wire/errors.ts'
import type { ReplayStart } from '../wire/replay-frames.ts'
import { type ConsumerConfig, type JetStreamApi, type StreamState, toFilters } from './api.ts'
import { readDelivery } from './delivery.ts'
import type { StoredMessage } from './jetstream-link.ts'

/** All messages of a filter with `from` ≤ sequence ≤ `to`. */
export interface Page {
  /** First sequence of the page. */
  readonly from: number
  /** Last sequence of the page. */
  readonly to: number
  /** Messages in the order of their sequences. */
  readonly messages: readonly StoredMessage[]
}

/** The part of a stream to read. */
export interface PageTarget {
  /** Name of the stream. */
  readonly stream: string
  /** Subject filter, or a list of them. */
  readonly filter: string
  /** First sequence to read. */
  readonly from: number
  /** Last sequence to read. */
  readonly to: number
}

/** Limits of one read. At least one message is read. */
export interface PageLimits {
  /** Number of messages. */
  readonly messages: number
  /** Size of payloads and header blocks, in bytes. */
  readonly bytes: number
}

/** Delivery policy of a consumer, as in its configuration. */
type Policy = Readonly<Record<string, unknown>>

/** Longest silence of a server within a page, in ms. */
const PATIENCE = 5_000

/**
 * Reads a page of a stream.
 *
 * If the consumer has no more messages before `to`, the stream's leader is queried, because a replica that lags behind
 * may not have them yet. In that case the page ends with the last message read. It may be empty (`to` < `from`): read it
 * again later.
 */
export async function readPage(api: JetStreamApi, target: PageTarget, limits: PageLimits): Promise<Page> {
  const { stream, filter, from, to } = target
  const policy = { deliver_policy: 'by_start_sequence', opt_start_seq: from }
  const { messages: read, exhausted } = await pull(api, { stream, filter, policy }, limits)
  const messages = read.filter(({ seq }) => seq <= to)
  const last = messages.at(-1)?.seq ?? from - 1
  if (last === to || messages.length < read.length) return { from, to, messages }
  if (!exhausted) return { from, to: last, messages }
  const next = await api.nextMessage(stream, filter, last + 1)
  return { from, to: next && next.seq <= to ? last : to, messages }
}

/**
 * Reads the last message of each subject of the filter, in the order of their sequences. `upTo` is the sequence after
 * which to continue.
 * @throws SpanwireError `payload-too-large` beyond the limits
 */
export async function readLastPerSubject(
  api: JetStreamApi,
  stream: StreamState,
  filter: string,
  limits: PageLimits,
): Promise<{ readonly messages: readonly StoredMessage[]; readonly upTo: number }> {
  const policy = { deliver_policy: 'last_per_subject' }
  const { messages, exhausted } = await pull(api, { stream: stream.name, filter, policy }, limits)
  if (!exhausted)
    throw new SpanwireError('payload-too-large', `More than ${limits.messages} subjects: use a narrower filter.`)
  return { messages, upTo: Math.max(stream.lastSeq, messages.at(-1)?.seq ?? 0) }
}

/** Returns the first sequence of a start. `last-per-subject` has none: it returns the sequence after the last. */
export async function resolveStart(
  api: JetStreamApi,
  stream: StreamState,
  filter: string,
  start: ReplayStart,
): Promise<number> {
  const after = stream.lastSeq + 1
  if (start.at === 'all') return Math.max(stream.firstSeq, 1)
  if (start.at === 'seq') return start.seq
  if (start.at === 'count') return findNthLast(api, stream, filter, start.count)
  if (start.at === 'last') return (await api.lastMessage(stream.name, filter))?.seq ?? after
  if (start.at === 'time') {
    const policy = { deliver_policy: 'by_start_time', opt_start_time: new Date(start.time).toISOString() }
    const { messages } = await pull(api, { stream: stream.name, filter, policy }, { messages: 1, bytes: 1 })
    return messages[0]?.seq ?? after
  }
  return after
}

/** Searches for the sequence at which a consumer would have `wanted` messages pending. */
async function findNthLast(api: JetStreamApi, stream: StreamState, filter: string, wanted: number): Promise<number> {
  const first = Math.max(stream.firstSeq, 1)
  const pendingFrom = async (seq: number) => {
    const config = consumerConfig(filter, { deliver_policy: 'by_start_sequence', opt_start_seq: seq })
    const { name, pending } = await api.createConsumer(stream.name, config)
    api.deleteConsumer(stream.name, name)
    return pending
  }
  let high = stream.lastSeq + 1
  let low = Math.max(first, high - wanted)
  // Widens the interval until it contains enough messages. The binary search follows.
  for (let width = wanted; low > first; width *= 4) {
    const pending = await pendingFrom(low)
    if (pending === wanted) return low
    if (pending > wanted) break
    high = low
    low = Math.max(first, high - width * 4)
  }
  while (high - low > 1) {
    const middle = low + Math.floor((high - low) / 2)
    if ((await pendingFrom(middle)) >= wanted) low = middle
    else high = middle
  }
  return low
}

function consumerConfig(filter: string, policy: Policy): ConsumerConfig {
  return {
    ...policy,
    ...toFilters(filter),
    ack_policy: 'none',
    max_deliver: -1,
    mem_storage: true,
    num_replicas: 1,
    // In ns. The consumer is deleted after use. The threshold applies if the deletion is lost.
    inactive_threshold: 10_000_000_000,
  }
}

/** Reads up to the limits through a pull consumer. `exhausted`: the consumer had no more messages. */
async function pull(
  api: JetStreamApi,
  { stream, filter, policy }: { readonly stream: string; readonly filter: string; readonly policy: Policy },
  limits: PageLimits,
): Promise<{ readonly messages: StoredMessage[]; readonly exhausted: boolean }> {
  const { name, pending } = await api.createConsumer(stream, consumerConfig(filter, policy))
  if (pending === 0) {
    api.deleteConsumer(stream, name)
    return { messages: [], exhausted: true }
  }
  const inbox = `${api.link.newInbox()}.page`
  const request = (body: object) =>
    api.link.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}`, encode(JSON.stringify(body)), inbox)
  const messages: StoredMessage[] = []
  let bytes = 0
  const { promise, resolve, reject } = createDeferred<boolean>()
  const fail = () => reject(new SpanwireError('timeout', `No message of ${stream} arrived for ${PATIENCE} ms.`))
  let patience = setTimeout(fail, PATIENCE)
  const unsubscribe = api.link.subscribe(inbox, (given) => {
    const delivery = readDelivery(given)
    clearTimeout(patience)
    patience = setTimeout(fail, PATIENCE)
    if (!delivery) return
    // 404 and 408: no more messages. 409: the size limit, or the consumer was deleted.
    if ('status' in delivery) {
      const isTooLarge = delivery.status === 409 && /MaxBytes/i.test(delivery.description) && messages.length === 0
      // At least one message is read, of any size.
      return isTooLarge ? request({ batch: 1, no_wait: true }) : resolve(delivery.status !== 409)
    }
    const { message } = delivery
    messages.push(message)
    bytes += message.payload.length + (message.headerBlock?.length ?? 0)
    if (message.pending === 0) resolve(true)
    else if (messages.length >= limits.messages || bytes >= limits.bytes) resolve(false)
  })
  try {
    // With a size limit for the server: it would send the whole batch at once, and close the connection of a slow consumer.
    request({ batch: limits.messages, no_wait: true, ...(limits.messages > 1 && { max_bytes: limits.bytes }) })
    return { exhausted: await promise, messages }
  } finally {
    clearTimeout(patience)
    unsubscribe()
    api.deleteConsumer(stream, name)
  }
}
