import { expect, test } from 'vitest'
import { serve } from '../../bridge/node.ts'
import { connected } from '../security/live-bridge.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { openToAll } from '../support/open-to-all.ts'

test('a replay of large messages does not cost the bridge its connection to NATS', async () => {
  await using nats = await startNatsServer({ jetstream: true })
  await using bridge = await serve({ upstream: nats.url, auth: openToAll })
  const { hub } = bridge.bridge
  await hub.opened
  await hub.streams.api.createStream({ name: 'S', subjects: ['s.>'], storage: 'file' } as never)
  for (let i = 0; i < 150; i++) {
    hub.publish({ subject: 's.1', payload: new Uint8Array(1_000_000) })
    await hub.confirm(hub.publish({ subject: 'x', payload: new Uint8Array(0) }))
  }
  const client = await connected(bridge, {})
  client.send('SUB $EDGE.REPLAY.all.s.> 1\r\n')
  let got = 0
  for (let line = await client.next(30_000); line && got < 150; line = await client.next(30_000)) if (line.line.startsWith('MSG')) got++
  const inBytes = ((await (await fetch(`${nats.monitorUrl}/varz`)).json()) as { out_bytes: number; slow_consumers: number })
  console.log('messages', got, 'MB that NATS sent:', inBytes.out_bytes / 1e6, 'slow consumers', inBytes.slow_consumers, 'INFOs', client.infos.map((i) => JSON.stringify(i.edge)))
  expect(client.infos.some((i) => JSON.stringify(i.edge).includes('reconnecting'))).toBe(false)
  expect(inBytes.out_bytes / 1e6).toBeLessThan(400)
  client.terminate()
}, 60_000)
