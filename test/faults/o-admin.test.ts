import { expect, test } from 'vitest'
import { serve } from '../../bridge/node.ts'
import { connected, everything, sign } from '../security/live-bridge.ts'
import { SECRET } from '../support/token.ts'

test('an administrator can end what /connz lists', async () => {
  const key = 'k'.repeat(32)
  await using bridge = await serve({ upstream: 'embedded', auth: { secret: SECRET }, admin: { key }, monitoring: { key: `m${key}` } })
  const client = await connected(bridge, { auth_token: await sign({ sub: 'ada', nats: everything }) })
  await client.exchange('SUB $EDGE.PRESENCE.room.1 1\r\nSUB $EDGE.CONFLATE.prices.* 2\r\n')
  const listed = await (await fetch(`${bridge.url}/connz?subs=1`, { headers: { Authorization: `Bearer m${key}` } })).json() as any
  for (const filter of listed.connections[0].subscriptions_list)
    await fetch(`${bridge.url}/admin/unsubscribe`, { method: 'POST', headers: { Authorization: `Bearer ${key}` }, body: JSON.stringify({ user: 'ada', filter }) })
  await client.exchange()
  expect([...bridge.bridge.hub.connections][0]!.filters).toEqual([])
  client.terminate()
})
