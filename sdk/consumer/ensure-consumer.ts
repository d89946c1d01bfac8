import type { ConsumerConfig, JetStreamApi } from '../jetstream/api.ts'
import { SpanwireError } from '../wire/errors.ts'
import { type ConsumerStart, MOST_HELD, type Order } from './options.ts'
import { GROUP } from './priority-group.ts'

/** What a durable consumer is to be. */
export interface Durable {
  readonly stream: string
  readonly name: string
  readonly filter: string
  readonly from: ConsumerStart
  /** In ms. */
  readonly ackWait: number
  readonly order: Order
}

const MS = 1_000_000
/** Deliveries that may wait for their acknowledgement, of all processes together: JetStream's own default. */
const IN_FLIGHT = 1_000

/**
 * Makes the consumer, or brings it up to date; what it has acknowledged stays.
 * @throws SpanwireError `stream-conflict` if there is another kind of consumer of that name, or one with another filter;
 * `unsupported` if the server can't keep its order
 */
export async function ensureConsumer(api: JetStreamApi, durable: Durable): Promise<void> {
  const { stream, name, filter, from } = durable
  const settings = toSettings(durable)
  const there = await api.consumer(stream, name)
  if (
    there &&
    (there.deliver_subject !== undefined || there.ack_policy !== 'explicit' || there.filter_subject !== filter)
  )
    throw new SpanwireError(
      'stream-conflict',
      `The stream ${stream} has another consumer ${name} (filter ${there.filter_subject}): take another name.`,
    )
  if (there && hasSettings(there, settings)) return
  // Attempts are counted here: what JetStream gives up stays where nobody looks.
  const fixed = there
    ? withoutSettings(there)
    : { filter_subject: filter, ack_policy: 'explicit', max_deliver: -1, ...toPolicy(from) }
  const made = await api.putConsumer(stream, name, { ...fixed, ...settings })
  if (hasSettings(made, settings)) return
  if (!there) api.deleteConsumer(stream, name)
  throw new SpanwireError('unsupported', 'Order by params needs nats-server 2.11 or later: use it, or ordered: true.')
}

/** What may change, and must be the same for all processes. */
function toSettings({ ackWait, order }: Durable): ConsumerConfig {
  const ack_wait = ackWait * MS
  if (order === 'by-lane')
    return {
      ack_wait,
      max_ack_pending: MOST_HELD,
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
