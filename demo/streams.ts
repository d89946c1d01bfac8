import { webSocket } from '../sdk/index.ts'
import { ensureStreams } from '../sdk/streams/index.ts'
import { events } from './events.ts'
import { operatorToken } from './token.ts'

/** As long as the page's slider reaches back, and a little more. */
const KEPT = 15 * 60_000

/** Makes the stream of the flights, through the bridge: the same with nats-server and with the embedded broker. */
export async function ensureDemoStreams(url: string, secret: string): Promise<void> {
  const transport = webSocket({ url, token: () => operatorToken(secret) })
  try {
    await ensureStreams(events, transport, { defaults: { maxAge: KEPT, maxBytes: 16 * 1024 * 1024 } })
  } finally {
    await transport.close()
  }
}
