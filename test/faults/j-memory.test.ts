import { expect, test } from 'vitest'
import { serve } from '../../bridge/node.ts'
import { connected } from '../security/live-bridge.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { openToAll } from '../support/open-to-all.ts'

test('what a client makes the bridge keep of streams is bounded for all filters together', async () => {
  await using nats = await startNatsServer({ jetstream: true })
  await using bridge = await serve({ upstream: nats.url, auth: openToAll, limits: { maxReplayMemory: 8 * 1024 * 1024 } })
  const { hub } = bridge.bridge
  await hub.opened
  await hub.streams.api.createStream({ name: 'S', subjects: ['s.>'], storage: 'memory' } as never)
  const subject = 's.1.2.3.4.5.6.7'
  const payload = new Uint8Array(9_000)
  for (let i = 0; i < 200; i++) hub.publish({ subject, payload })
  await hub.confirm(hub.publish({ subject: 'x', payload: new Uint8Array(0) }))
  const client = await connected(bridge, {})
  globalThis.gc?.()
  const before = process.memoryUsage().arrayBuffers
  // One message in 200 is enough for each of them: as many filters as there are ways to write a wildcard.
  const filters = Array.from({ length: 120 }, (_, i) =>
    subject.split('.').map((token, at) => (at > 0 && (i >> (at - 1)) & 1 ? '*' : token)).join('.'))
  let live = 0
  for (const [i, filter] of filters.entries()) {
    client.send(`SUB $EDGE.REPLAY.all.${filter} ${i + 1}\r\n`)
  }
  while (live < filters.length) {
    const line = await client.next(30_000)
    if (!line) throw new Error('ended')
    if (line.headers?.includes('Replay Live')) live++
  }
  globalThis.gc?.()
  await new Promise((r) => setTimeout(r, 500))
  globalThis.gc?.()
  const held = (process.memoryUsage().arrayBuffers - before) / 1048576
  console.log('MiB held', held)
  expect(held).toBeLessThan(100)
  client.terminate()
}, 90_000)
