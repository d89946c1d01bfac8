/** Publishing that outlives a lost connection, or the page: loaded for events with a stream, and for an outbox. */
import type { Deliver, OutboxOptions } from '../outbox/outbox.ts'
import { publishAcked } from '../stream/publish.ts'
import type { Transport } from '../transport/transport.ts'

/** Opens the outbox, if there is to be one. What an earlier page has left in it goes out without a word of this one. */
export async function createPublisher(
  transport: Transport,
  outbox: 'persistent' | OutboxOptions | undefined,
): Promise<Deliver> {
  const deliver: Deliver = (stream, subject, payload, headers, options) =>
    stream
      ? publishAcked(transport, subject, payload, headers, options)
      : transport.publish(subject, payload, { headers, signal: options.signal })
  if (!outbox) return deliver
  const { openOutbox } = await import('../outbox/outbox.ts')
  return openOutbox(outbox === 'persistent' ? {} : outbox, transport, deliver)
}
