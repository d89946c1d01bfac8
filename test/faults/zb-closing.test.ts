import { expect, test } from 'vitest'
import { serve } from '../../bridge/node.ts'
import { RawClient } from '../conformance/edge-protocol/raw-client.ts'
import { connected, everything, sign, socketUrl } from '../security/live-bridge.ts'
import { SECRET } from '../support/token.ts'

test('C-11: what was sent behind a CONNECT before the socket was closed is carried out', async () => {
  await using bridge = await serve({ upstream: 'embedded', auth: { secret: SECRET } })
  const token = await sign({ sub: 'ada', nats: everything })
  const listener = await connected(bridge, { auth_token: token })
  await listener.exchange('SUB a 1\r\n')
  // First CONNECT: publish and go.
  const brief = await RawClient.open(socketUrl(bridge))
  brief.send(`CONNECT {"verbose":false,"auth_token":"${token}"}\r\nPUB a 1\r\n1\r\n`)
  brief.close()
  await brief.ended()
  // A refresh, then publish and go.
  const other = await connected(bridge, { auth_token: token })
  other.send(`CONNECT {"verbose":false,"auth_token":"${token}"}\r\nPUB a 1\r\n2\r\n`)
  other.close()
  await other.ended()
  await new Promise((r) => setTimeout(r, 200))
  expect((await listener.exchange()).lines.map(({ payload }) => payload)).toEqual(['1', '2'])
  listener.terminate()
})
