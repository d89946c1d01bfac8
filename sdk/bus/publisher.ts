/** Publishing that outlives a lost connection, or the page: loaded for events with a stream, and for an outbox. */
import type { Deliver } from '../outbox/outbox.ts'
import type { Transport } from '../transport/transport.ts'
import { publishAcked } from './publish-acked.ts'

/** @param openOutbox by which to publish instead, if there is to be one */
export async function createPublisher(
  transport: Transport,
  openOutbox: (deliver: Deliver) => Promise<Deliver> | undefined,
): Promise<Deliver> {
  const deliver: Deliver = (stream, subject, payload, headers, options) =>
    stream
      ? publishAcked(transport, subject, payload, headers, options)
      : transport.publish(subject, payload, { headers, signal: options.signal })
  return (await openOutbox(deliver)) ?? deliver
}
