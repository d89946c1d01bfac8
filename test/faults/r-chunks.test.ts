import { expect, test } from 'vitest'
import { serve } from '../../bridge/node.ts'
import { connected } from '../security/live-bridge.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { openToAll } from '../support/open-to-all.ts'

test('a ring of small messages takes what its limit says, also amid other traffic', async () => {
  await using nats = await startNatsServer({ jetstream: true })
  await using bridge = await serve({ upstream: nats.url, auth: openToAll })
  const { hub } = bridge.bridge
  await hub.opened
  await hub.streams.api.createStream({ name: 'S', subjects: ['s.>'], storage: 'memory' } as never)
  const client = await connected(bridge, {})
  client.send('SUB $EDGE.REPLAY.new.s.> 1\r\n')
  for (;;) if ((await client.next())!.headers?.includes('Replay Live')) break
  await client.exchange('SUB other 2\r\n')
  await client.exchange('UNSUB 2\r\nSUB noise 3\r\n')
  globalThis.gc?.()
  const before = process.memoryUsage().arrayBuffers
  const noise = new Uint8Array(60_000)
  for (let i = 0; i < 1_000; i++) {
    hub.publish({ subject: 's.1', payload: new Uint8Array(10) })
    hub.publish({ subject: 'noise', payload: noise })
    if (i % 20 === 0) { await hub.confirm(hub.publish({ subject: 'x', payload: new Uint8Array(0) })); await client.exchange() }
  }
  await client.exchange()
  await client.exchange('UNSUB 3\r\n')
  await new Promise((r) => setTimeout(r, 1_000))
  globalThis.gc?.()
  await new Promise((r) => setTimeout(r, 200))
  globalThis.gc?.()
  const held = (process.memoryUsage().arrayBuffers - before) / 1048576
  console.log('MiB held by a ring of 1,000 messages of 10 bytes:', held)
  expect(held).toBeLessThan(8)
  client.terminate()
}, 60_000)
