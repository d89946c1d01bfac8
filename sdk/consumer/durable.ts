import { SpanwireError } from '../errors.ts'
import type { ConsumerConfig, JetStreamApi } from '../jetstream/api.ts'
import type { ConsumerStart } from './options.ts'

/** What a durable consumer is to be. */
export interface Durable {
  readonly stream: string
  readonly name: string
  readonly filter: string
  readonly from: ConsumerStart
  /** In ms. */
  readonly ackWait: number
  readonly ordered: boolean
}

const MS = 1_000_000
/** Deliveries that may wait for their acknowledgement, of all processes together: JetStream's own default. */
const IN_FLIGHT = 1_000

/**
 * Makes the consumer, or brings it up to date; what it has acknowledged stays.
 * @throws SpanwireError `stream-conflict` if there is another kind of consumer of that name, or one with another filter
 */
export async function ensureConsumer(api: JetStreamApi, durable: Durable): Promise<void> {
  const { stream, name, filter, from, ackWait, ordered } = durable
  const settings = { ack_wait: ackWait * MS, max_ack_pending: ordered ? 1 : IN_FLIGHT }
  const there = await api.consumer(stream, name)
  if (!there) {
    // Attempts are counted here: what JetStream gives up stays where nobody looks.
    const fixed = { filter_subject: filter, ack_policy: 'explicit', max_deliver: -1 }
    return api.putConsumer(stream, name, { ...fixed, ...settings, ...toPolicy(from) })
  }
  if (there.deliver_subject !== undefined || there.ack_policy !== 'explicit' || there.filter_subject !== filter)
    throw new SpanwireError(
      'stream-conflict',
      `The stream ${stream} has another consumer ${name} (filter ${there.filter_subject}): take another name.`,
    )
  if (there.ack_wait !== settings.ack_wait || there.max_ack_pending !== settings.max_ack_pending)
    await api.putConsumer(stream, name, { ...there, ...settings })
}

function toPolicy(from: ConsumerStart): ConsumerConfig {
  if (from === 'all' || from === 'new') return { deliver_policy: from }
  if ('seq' in from) return { deliver_policy: 'by_start_sequence', opt_start_seq: from.seq }
  return { deliver_policy: 'by_start_time', opt_start_time: new Date(from.time).toISOString() }
}
