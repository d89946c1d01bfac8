import { type ConsumerConfig, hasFilters, type JetStreamApi, toFilters, tooOldForFilters } from '../jetstream/api.ts'
import { SpanwireError } from '../wire/errors.ts'
import { joinFilters } from '../wire/filter-list.ts'
import type { ConsumerStart, Order } from './options.ts'
import { GROUP } from './priority-group.ts'

/** Settings of a durable consumer. */
export interface Durable {
  /** Name of the stream. */
  readonly stream: string
  /** Name of the consumer. */
  readonly name: string
  /** Subject filter, or a list of them. */
  readonly filter: string
  /** Position in the stream at which a new consumer begins. */
  readonly from: ConsumerStart
  /** In ms. */
  readonly ackWait: number
  /** Order of the deliveries. */
  readonly order: Order
  /** Number of events that the process holds, with order by lane. */
  readonly held: number
}

const MS = 1_000_000
/** Unacknowledged deliveries of all processes: the default of JetStream. */
const IN_FLIGHT = 1_000

/**
 * Creates the consumer or updates its settings. Its acknowledgements are preserved.
 * @throws SpanwireError `stream-conflict` if a consumer with this name has another kind or filter, `unsupported` if the
 * server does not support the order
 */
export async function ensureConsumer(api: JetStreamApi, durable: Durable): Promise<void> {
  const { stream, name, filter, from } = durable
  const settings = toSettings(durable)
  const existing = await api.consumer(stream, name)
  if (
    existing &&
    (existing.deliver_subject !== undefined || existing.ack_policy !== 'explicit' || filterOf(existing) !== filter)
  )
    throw new SpanwireError(
      'stream-conflict',
      `The stream ${stream} has another consumer ${name} (filter ${filterOf(existing)}): use another name.`,
    )
  if (existing && hasSettings(existing, settings)) return
  // `max_deliver` is unlimited because attempts are counted here: JetStream would keep a message without delivering it.
  const fixed = existing
    ? withoutSettings(existing)
    : { ...toFilters(filter), ack_policy: 'explicit', max_deliver: -1, ...toPolicy(from) }
  const updated = await api.putConsumer(stream, name, { ...fixed, ...settings })
  const isFiltered = hasFilters(updated, fixed)
  if (isFiltered && hasSettings(updated, settings)) return
  if (!existing) api.deleteConsumer(stream, name)
  if (!isFiltered) throw tooOldForFilters()
  throw new SpanwireError(
    'unsupported',
    'Order by params requires nats-server 2.11 or later: upgrade it, or use ordered: true.',
  )
}

/** Returns the filters of a consumer as a list. */
function filterOf({ filter_subject, filter_subjects }: ConsumerConfig): string | undefined {
  return filter_subjects ? joinFilters(filter_subjects) : filter_subject
}

/** Settings that may change. They must be equal for all processes. */
function toSettings({ ackWait, order, held }: Durable): ConsumerConfig {
  const ack_wait = ackWait * MS
  if (order === 'by-lane')
    return {
      ack_wait,
      max_ack_pending: held,
      priority_groups: [GROUP],
      priority_policy: 'pinned_client',
      priority_timeout: ack_wait,
    }
  return { ack_wait, max_ack_pending: order === 'one-by-one' ? 1 : IN_FLIGHT }
}

function withoutSettings(config: ConsumerConfig): ConsumerConfig {
  const { priority_groups: _, priority_policy: __, priority_timeout: ___, ...fixed } = config
  return fixed
}

function hasSettings(config: ConsumerConfig, settings: ConsumerConfig): boolean {
  const same = Object.entries(settings).every(([field, value]) => String(config[field]) === String(value))
  return same && (config.priority_policy ?? 'none') === (settings.priority_policy ?? 'none')
}

function toPolicy(from: ConsumerStart): ConsumerConfig {
  if (from === 'all' || from === 'new') return { deliver_policy: from }
  if ('seq' in from) return { deliver_policy: 'by_start_sequence', opt_start_seq: from.seq }
  return { deliver_policy: 'by_start_time', opt_start_time: new Date(from.time).toISOString() }
}
