/**
 * Publishes directly to NATS, as a service in a data centre does.
 *
 *     NATS_URL      such as nats://127.0.0.1:4222
 *     REPLAY_SPEED  recorded seconds per second, default 3600
 */
import process from 'node:process'
import { connect, SpanwireError } from '../../sdk/server.ts'
import { DEPARTED, events } from '../events.ts'
import { startPublisher } from './start.ts'
import { newTrace } from './trace.ts'

const { NATS_URL } = process.env

if (!NATS_URL) {
  console.error('node publisher: set NATS_URL, such as nats://127.0.0.1:4222')
  process.exit(1)
}

const bus = connect({ url: NATS_URL, events })

await startPublisher({
  name: 'node publisher',
  half: 'east',
  async publish({ origin, destination, departedAt, delay, distance }) {
    // The client queues events until NATS is back. That is right for orders, but not for a live map.
    if (bus.status.current.state !== 'open') throw new SpanwireError('connection-refused', 'NATS is not reachable.')
    await bus.publish(
      DEPARTED,
      { origin, destination },
      { departedAt, delay, distance, via: 'nats' },
      { headers: [newTrace()] },
    )
  },
})
await bus.close()
