import { afterAll, beforeAll, expect, test } from 'vitest'
import { everything, LiveBridges, post, sign } from '../security/live-bridge.ts'
import { SECRET } from '../support/token.ts'

let live: LiveBridges
beforeAll(async () => { live = await LiveBridges.start({ jetstream: true }) })
afterAll(() => live.close())

test('what is over the rate costs NATS nothing', async () => {
  const bridge = await live.serve({ auth: { secret: SECRET }, limits: { publishRate: { messages: 10, bytes: 1e6 } } })
  const spy = await live.atNats()
  await spy.exchange('SUB $JS.API.> 1\r\n')
  const lines = Array.from({ length: 2_000 }, (_, i) => JSON.stringify({ subject: `s.${i}`, data: 1 })).join('\n')
  const answer = await (await post(bridge, '/publish', await sign({ sub: 'ada', nats: everything }), { body: lines })).text()
  const taken = answer.split('\n').filter((line) => line.includes('"ok":true')).length
  const asked = (await spy.exchange()).lines.filter(({ line }) => line.includes('STREAM.NAMES')).length
  console.log({ taken, asked })
  expect(asked).toBeLessThanOrEqual(50)
  spy.terminate()
})
