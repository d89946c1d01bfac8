import { expect, test } from 'vitest'
import { serve } from '../../bridge/node.ts'
import { connected, everything, sign } from '../security/live-bridge.ts'
import { SECRET } from '../support/token.ts'

test('channels that are joined count towards maxFilters', async () => {
  await using bridge = await serve({ upstream: 'embedded', auth: { secret: SECRET }, limits: { maxFilters: 5 } })
  const one = await connected(bridge, { auth_token: await sign({ sub: 'ada', nats: everything }) })
  for (let i = 0; i < 50; i++) one.send(`PUB $EDGE.PRESENCE.room.${i} 13\r\n{"do":"join"}\r\n`)
  await one.exchange()
  expect(bridge.bridge.hub.presence.size).toBeLessThanOrEqual(5)
  one.terminate()
})
