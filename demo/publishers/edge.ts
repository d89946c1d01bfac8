/**
 * Publishes over HTTP, as an edge function does: one short request for each departure, without a socket.
 *
 *     SPANWIRE_URL   URL of the bridge, default http://127.0.0.1:8787
 *     SPANWIRE_TOKEN a token that may publish flights, or AUTH_SECRET to sign one
 *     NATS_URL       if set, the Node publisher also runs, and this one publishes only the western flights
 *     REPLAY_SPEED   recorded seconds per second, default 3600
 */
import process from 'node:process'
import { connect } from '../../sdk/index.ts'
import { http } from '../../sdk/transport/http/index.ts'
import { DEPARTED, events } from '../events.ts'
import { publisherToken } from '../token.ts'
import { startPublisher } from './start.ts'
import { newTrace } from './trace.ts'

const { SPANWIRE_URL = 'http://127.0.0.1:8787', SPANWIRE_TOKEN, AUTH_SECRET, NATS_URL } = process.env

if (!SPANWIRE_TOKEN && !AUTH_SECRET) {
  console.error('edge publisher: set SPANWIRE_TOKEN, or AUTH_SECRET to sign a token')
  process.exit(1)
}

const bus = connect({ transport: http({ url: SPANWIRE_URL, token }), events })

await startPublisher({
  name: 'edge publisher',
  half: NATS_URL ? 'west' : 'all',
  async publish({ origin, destination, departedAt, delay, distance }) {
    await bus.publish(
      DEPARTED,
      { origin, destination },
      { departedAt, delay, distance, via: 'http' },
      { headers: [newTrace()] },
    )
  },
})
await bus.close()

function token(): string | Promise<string> {
  return SPANWIRE_TOKEN ?? publisherToken(AUTH_SECRET ?? '')
}
