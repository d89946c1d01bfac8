/** Publishing that outlives a lost connection, or the page: loaded for events with a stream, and for an outbox. */
import type { Deliver, OutboxOptions } from '../outbox/outbox.ts'
import type { Transport } from '../transport/transport.ts'
import { publishAcked } from './publish-acked.ts'

/** @param outbox publish by way of an outbox; undefined: directly */
export async function createPublisher(
  transport: Transport,
  outbox: 'persistent' | OutboxOptions | undefined,
): Promise<Deliver> {
  const deliver: Deliver = ({ stream, options, ...event }) =>
    stream
      ? publishAcked(transport, event, options)
      : transport.publish(event.subject, event.payload, { headers: event.headers, signal: options.signal })
  if (!outbox) return deliver
  const { openOutbox } = await import('../outbox/outbox.ts')
  return openOutbox(outbox, transport, deliver)
}
