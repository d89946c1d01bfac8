/**
 * Creates the streams of the demo. `npm start` does this itself. For a deployed Worker:
 *
 *     SPANWIRE_URL  URL of the bridge
 *     AUTH_SECRET   secret of its tokens
 */
import process from 'node:process'
import { webSocket } from '../sdk/index.ts'
import { ensureStreams } from '../sdk/streams/index.ts'
import { events, MESSAGES_KEPT } from './events.ts'
import { operatorToken } from './token.ts'

/** Range of the page's slider plus a reserve, in ms. */
const FLIGHTS_KEPT = 15 * 60_000
/** Largest chat message in UTF-8, with its headers, in bytes. */
const MESSAGE_SIZE = 4 * 1024

/** Creates the streams through the bridge, on nats-server and on the embedded broker alike. */
export async function ensureDemoStreams(url: string, secret: string): Promise<void> {
  const transport = webSocket({ url, token: () => operatorToken(secret) })
  try {
    await ensureStreams(events, transport, {
      streams: {
        FLIGHTS: { maxAge: FLIGHTS_KEPT, maxBytes: 16 * 1024 * 1024 },
        CHAT: { maxMessagesPerSubject: MESSAGES_KEPT, maxMessageSize: MESSAGE_SIZE },
      },
    })
  } finally {
    await transport.close()
  }
}

if (import.meta.main) {
  const { SPANWIRE_URL, AUTH_SECRET } = process.env
  if (!SPANWIRE_URL || !AUTH_SECRET) {
    console.error('streams: set SPANWIRE_URL and AUTH_SECRET')
    process.exit(1)
  }
  await ensureDemoStreams(SPANWIRE_URL, AUTH_SECRET)
}
