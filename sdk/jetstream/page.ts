import { SpanwireError } from '../wire/errors.ts'
import type { ReplayStart } from '../wire/replay-frames.ts'
import type { JetStreamApi, StreamState } from './api.ts'
import { readDelivery } from './delivery.ts'
import type { StoredMessage } from './link.ts'

/** All messages of a filter with `from` ≤ sequence ≤ `to` that a stream had. */
export interface Page {
  readonly from: number
  readonly to: number
  readonly messages: readonly StoredMessage[]
}

/** Most that is read at once. At least one message is. */
export interface PageLimits {
  readonly messages: number
  readonly bytes: number
}

/** Where a consumer begins, in the words of its configuration. */
type Policy = Readonly<Record<string, unknown>>

/** How long a server may be silent in the middle of a page, in ms. */
const PATIENCE = 5_000

/**
 * Reads from `from` on, no further than `end`.
 *
 * When nothing more seems to come before `end`, the stream's leader is asked: a replica that lags behind must not hide
 * messages. If it does, the page ends with what was read, and may be empty (`to` < `from`): read again in a moment.
 */
export async function readPage(
  api: JetStreamApi,
  stream: string,
  filter: string,
  from: number,
  end: number,
  limits: PageLimits,
): Promise<Page> {
  const start = { deliver_policy: 'by_start_sequence', opt_start_seq: from }
  const { messages: read, exhausted } = await pull(api, stream, filter, start, limits)
  const messages = read.filter(({ seq }) => seq <= end)
  const last = messages.at(-1)?.seq ?? from - 1
  if (last === end || messages.length < read.length) return { from, to: end, messages }
  if (!exhausted) return { from, to: last, messages }
  const next = await api.message(stream, { seq: last + 1, next_by_subj: filter })
  return { from, to: next && next.seq <= end ? last : end, messages }
}

/**
 * The last message of each subject of the filter, by sequence; `upTo` is the sequence after which to go on.
 * @throws SpanwireError `payload-too-large` beyond the limits
 */
export async function readLastPerSubject(
  api: JetStreamApi,
  stream: StreamState,
  filter: string,
  limits: PageLimits,
): Promise<{ readonly messages: readonly StoredMessage[]; readonly upTo: number }> {
  const { messages, exhausted } = await pull(api, stream.name, filter, { deliver_policy: 'last_per_subject' }, limits)
  if (!exhausted)
    throw new SpanwireError('payload-too-large', `More than ${limits.messages} subjects: use a narrower filter.`)
  return { messages, upTo: Math.max(stream.lastSeq, messages.at(-1)?.seq ?? 0) }
}

/** The first sequence that a start means. `last-per-subject` has none: it is not a place in the stream. */
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
  if (start.at === 'last') return (await api.message(stream.name, { last_by_subj: filter }))?.seq ?? after
  if (start.at === 'time') {
    const policy = { deliver_policy: 'by_start_time', opt_start_time: new Date(start.time).toISOString() }
    const { messages } = await pull(api, stream.name, filter, policy, { messages: 1, bytes: 1 })
    return messages[0]?.seq ?? after
  }
  return after
}

/** Searches by how much a consumer that begins at a sequence would have pending. */
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
  // Wider and wider, until there are enough after it; then between.
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

function consumerConfig(filter: string, policy: Policy): object {
  return {
    ...policy,
    filter_subject: filter,
    ack_policy: 'none',
    max_deliver: -1,
    mem_storage: true,
    num_replicas: 1,
    // In ns. It is deleted right after use; this is for when that order gets lost.
    inactive_threshold: 10_000_000_000,
  }
}

/** Reads up to the limits through a pull consumer of its own. `exhausted`: there was nothing more at the time. */
async function pull(
  api: JetStreamApi,
  stream: string,
  filter: string,
  policy: Policy,
  limits: PageLimits,
): Promise<{ readonly messages: StoredMessage[]; readonly exhausted: boolean }> {
  const { name, pending } = await api.createConsumer(stream, consumerConfig(filter, policy))
  if (pending === 0) {
    api.deleteConsumer(stream, name)
    return { messages: [], exhausted: true }
  }
  const inbox = `${api.link.newInbox()}.page`
  const ask = (order: object) =>
    api.link.publish(
      `$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}`,
      new TextEncoder().encode(JSON.stringify(order)),
      inbox,
    )
  const messages: StoredMessage[] = []
  let bytes = 0
  const { promise, resolve, reject } = Promise.withResolvers<boolean>()
  const fail = () => reject(new SpanwireError('timeout', `${stream} sent nothing for ${PATIENCE} ms.`))
  let patience = setTimeout(fail, PATIENCE)
  const unsubscribe = api.link.subscribe(inbox, (given) => {
    const delivery = readDelivery(given)
    clearTimeout(patience)
    patience = setTimeout(fail, PATIENCE)
    if (!delivery) return
    // 404 and 408: nothing more. 409: the size limit, or the consumer is gone.
    if ('status' in delivery) {
      const isTooLarge = delivery.status === 409 && /MaxBytes/i.test(delivery.description) && messages.length === 0
      // At least one message is read, however large it is.
      return isTooLarge ? ask({ batch: 1, no_wait: true }) : resolve(delivery.status !== 409)
    }
    const { message } = delivery
    messages.push(message)
    bytes += message.payload.length + (message.headerBlock?.length ?? 0)
    if (message.pending === 0) resolve(true)
    else if (messages.length >= limits.messages || bytes >= limits.bytes) resolve(false)
  })
  try {
    // With a bound for the server, too: it would send the whole batch at once, and cut off who is slow to take it.
    ask({ batch: limits.messages, no_wait: true, ...(limits.messages > 1 && { max_bytes: limits.bytes }) })
    return { exhausted: await promise, messages }
  } finally {
    clearTimeout(patience)
    unsubscribe()
    api.deleteConsumer(stream, name)
  }
}
