import { expect, test } from 'vitest'
import { serve } from '../../bridge/node.ts'
import { connected, sign } from '../security/live-bridge.ts'
import { SECRET } from '../support/token.ts'

test('X-3: what waits for a client that is behind is not given to it once it may not have it', async () => {
  await using bridge = await serve({ upstream: 'embedded', auth: { secret: SECRET }, limits: { maxPending: 40_000, maxPayload: 10_000 } })
  const { hub } = bridge.bridge
  const claims = (deny: string[]) => sign({ sub: 'ada', nats: { sub: { allow: ['p.>'], deny } } })
  const client = await connected(bridge, { auth_token: await claims([]) })
  client.answerPings = false
  await client.exchange('SUB $EDGE.CONFLATE.p.> 1\r\n')
  hub.publish({ subject: 'p.a', payload: new Uint8Array(9_990) })
  hub.publish({ subject: 'p.a', payload: new Uint8Array(9_990) })
  await new Promise((r) => setTimeout(r, 100))
  hub.publish({ subject: 'p.secret', payload: new Uint8Array(1) })
  await new Promise((r) => setTimeout(r, 100))
  const { lines: early } = await client.exchange()
  expect(early.some(({ line }) => line.includes('p.secret'))).toBe(false) // it is held
  await client.exchange(`CONNECT {"verbose":false,"auth_token":"${await claims(['p.secret'])}"}\r\n`)
  const { lines } = await client.exchange('PONG\r\nPONG\r\nPONG\r\nPONG\r\n')
  await new Promise((r) => setTimeout(r, 100))
  const more = (await client.exchange()).lines
  expect([...lines, ...more].filter(({ line }) => line.includes('p.secret'))).toEqual([])
  client.terminate()
})
