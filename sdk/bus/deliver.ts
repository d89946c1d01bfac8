import type { Deliver } from '../outbox/outbox.ts'
import type { Transport } from '../transport/transport.ts'
import { publishAcked } from './publish-acked.ts'
import { PublishOrder } from './publish-order.ts'
import { requireFeature, TTL_HEADER, whenKnown } from './server-features.ts'

/** Returns a function that publishes events in the order of their streams, until they are acknowledged. */
export function createDeliver(transport: Transport): Deliver {
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
  /** Set while an event waits for the version of the server. Later events wait behind it. */
  let gate: Promise<void> | undefined

  return async ({ stream, options, ...event }) => {
    const isTimed = event.headers.some(([name]) => name === TTL_HEADER)
    if (isTimed && transport.edge === undefined)
      gate ??= whenKnown(transport).finally(() => {
        gate = undefined
      })
    if (gate) await gate
    if (isTimed) requireFeature(transport, 'ttl')
    if (stream) {
      const onSilence = () => warn(stream, event.subject)
      return publishAcked(transport, event, { ...options, order: orderOf(stream), onSilence })
    }
    await transport.publish(event.subject, event.payload, { headers: event.headers, signal: options.signal })
    return undefined
  }
}
