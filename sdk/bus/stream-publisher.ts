/** Publishing across lost connections and reloads: loaded for events with a stream, and for an outbox. */
import type { Deliver, OutboxOptions } from '../outbox/outbox.ts'
import type { Transport } from '../transport/transport.ts'
import { publishAcked } from './publish-acked.ts'

/** @param outbox options of an outbox to publish through; undefined without an outbox */
export async function createPublisher(
  transport: Transport,
  outbox: 'persistent' | OutboxOptions | undefined,
): Promise<Deliver> {
  const deliver: Deliver = async ({ stream, options, ...event }) => {
    if (stream) return publishAcked(transport, event, options)
    await transport.publish(event.subject, event.payload, { headers: event.headers, signal: options.signal })
    return undefined
  }
  if (!outbox) return deliver
  const { openOutbox } = await import('../outbox/outbox.ts')
  return openOutbox(outbox, transport, deliver)
}
