import { expect, test } from 'vitest'
import { serve } from '../../bridge/node.ts'
import { connected, everything, sign } from '../security/live-bridge.ts'
import { SECRET } from '../support/token.ts'

test('C-11: what is published behind a refresh waits for it, however much it is', async () => {
  let slow = false
  await using bridge = await serve({
    upstream: 'embedded',
    auth: { secret: SECRET, authorize: async () => {
      if (slow) await new Promise((r) => setTimeout(r, 500)) // as when a JWKS is fetched again
      return { publish: { allow: ['>'], deny: [] }, subscribe: { allow: ['>'], deny: [] } }
    } },
  })
  const token = await sign({ sub: 'ada', nats: everything })
  const client = await connected(bridge, { auth_token: token })
  slow = true
  client.send(`CONNECT {"verbose":false,"auth_token":"${token}"}\r\n`)
  for (let i = 0; i < 20; i++) client.send(`PUB a 100000\r\n${'x'.repeat(100_000)}\r\n`)
  const { ending, lines } = await client.exchange()
  expect([lines.map(({ line }) => line), ending]).toEqual([[], undefined])
  client.terminate()
})
