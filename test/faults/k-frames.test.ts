import { expect, test } from 'vitest'
import { serve } from '../../bridge/node.ts'
import { connected } from '../security/live-bridge.ts'
import { openToAll } from '../support/open-to-all.ts'

test('T-4: a frame may hold many lines, also where messages must be small', async () => {
  await using bridge = await serve({ upstream: 'embedded', auth: openToAll, limits: { maxPayload: 4_096 } })
  const client = await connected(bridge, {})
  // nats.ws joins up to 32 KiB of what is published in one turn
  client.send('PUB a.b 100\r\n'.concat('x'.repeat(100), '\r\n').repeat(250))
  const { ending } = await client.exchange()
  expect(ending).toBeUndefined()
  client.terminate()
})
