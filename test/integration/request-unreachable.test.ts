import { expect, it } from 'vitest'
import { z } from 'zod'
import { freePort } from '../../demo/setup/free-port.ts'
import { connect, defineEvents, type Transport, webSocket } from '../../sdk/index.ts'
import { nats } from '../../sdk/transport/nats/index.ts'

const events = defineEvents({ 'ask.{id}': z.object({}) })

it.each<[string, (port: number) => Transport, RegExp]>([
  ['by WebSocket', (port) => webSocket({ url: `ws://127.0.0.1:${port}` }), /No server answers at that address\.$/],
  ['by TCP', (port) => nats({ url: `nats://127.0.0.1:${port}` }), /connect ECONNREFUSED 127\.0\.0\.1:\d+\.$/],
])('a request without a connection reports the reason: %s', async (_, open, why) => {
  const bus = connect({ transport: open(await freePort()), events })
  const answer = bus.request('ask.{id}', { id: '1' }, {}, { timeout: 499.5 })
  const message = await answer.catch((error) => `${error.code}: ${error.message}`)
  expect(message).toMatch(/^timeout: No answer from ask\.1 within 500 ms: the client is not connected\. /)
  expect(message).toMatch(why)
  await bus.close()
})
