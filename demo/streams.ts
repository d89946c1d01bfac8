import { webSocket } from '../sdk/index.ts'
import { ensureStreams } from '../sdk/streams/index.ts'
import { events } from './events.ts'
import { operatorToken } from './token.ts'

/** Range of the page's slider plus a reserve, in ms. */
const KEPT = 15 * 60_000

/** Creates the stream of the flights through the bridge, on nats-server and on the embedded broker alike. */
export async function ensureDemoStreams(url: string, secret: string): Promise<void> {
  const transport = webSocket({ url, token: () => operatorToken(secret) })
  try {
    await ensureStreams(events, transport, { defaults: { maxAge: KEPT, maxBytes: 16 * 1024 * 1024 } })
  } finally {
    await transport.close()
  }
}
