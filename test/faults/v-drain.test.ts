import { expect, test } from 'vitest'
import { serve } from '../../bridge/node.ts'
import { createEmbeddedBroker } from '../../bridge/upstream/embedded.ts'
import { openToAll } from '../support/open-to-all.ts'

test('drain lets requests by HTTP end that are under way', async () => {
  const broker = createEmbeddedBroker()
  const service = broker.connect()
  const upstream = broker.connect()
  await using bridge = await serve({ upstream, auth: openToAll })
  service.subscribe('q', undefined, ({ reply }) => {
    setTimeout(() => service.publish({ subject: reply as string, payload: new TextEncoder().encode('done') }), 500)
  })
  const asked = fetch(`${bridge.url}/request/q`, { method: 'POST' }).then((r) => r.text(), (error) => `cut off: ${error}`)
  await new Promise((r) => setTimeout(r, 200))
  await bridge.drain()
  expect(await asked).toBe('done')
})
