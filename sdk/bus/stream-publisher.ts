/** Publishing across lost connections and reloads: loaded for events with a stream, and for an outbox. */
import type { Deliver, OutboxOptions } from '../outbox/outbox.ts'
import type { Transport } from '../transport/transport.ts'
import { publishAcked } from './publish-acked.ts'
import { PublishOrder } from './publish-order.ts'

/** @param outbox options of an outbox to publish through; undefined without an outbox */
export async function createPublisher(
  transport: Transport,
  outbox: 'persistent' | OutboxOptions | undefined,
): Promise<Deliver> {
  const orders = new Map<unknown, PublishOrder>()
  const orderOf = (stream: unknown) => {
    const order = orders.get(stream) ?? new PublishOrder(transport)
    orders.set(stream, order)
    return order
  }
  const warned = new Set<unknown>()
  const warn = (stream: unknown, subject: string) => {
    if (warned.has(stream)) return
    warned.add(stream)
    console.warn(
      `spanwire: No stream stores ${subject} at present: create ${stream} with ensureStreams. The event is sent again.`,
    )
  }
  const deliver: Deliver = async ({ stream, options, ...event }) => {
    if (stream) {
      const onSilence = () => warn(stream, event.subject)
      return publishAcked(transport, event, { ...options, order: orderOf(stream), onSilence })
    }
    await transport.publish(event.subject, event.payload, { headers: event.headers, signal: options.signal })
    return undefined
  }
  if (!outbox) return deliver
  const { openOutbox } = await import('../outbox/outbox.ts')
  return openOutbox(outbox, transport, deliver)
}
