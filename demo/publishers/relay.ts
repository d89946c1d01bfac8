/**
 * Runs the relay of the flights until SIGTERM.
 *
 *     BROKER, BROKER_URL  see publishers/foreign.ts
 *     NATS_URL            such as nats://127.0.0.1:4222
 */
import { runRelay } from '../../bridge/relay/index.ts'

const { ended } = await runRelay(new URL('relays.ts', import.meta.url), { port: 0 })
await ended
