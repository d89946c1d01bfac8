import { expect, test } from 'vitest'
import { LiveBridges, post, sign, everything } from '../security/live-bridge.ts'
import { SECRET } from '../support/token.ts'

test('a bridge whose NATS user may not use JetStream publishes by HTTP what no stream keeps', async () => {
  const live = await LiveBridges.start({ jetstream: true, config: 'authorization { users: [{ user: b, password: b, permissions: { publish: ["app.>", "_INBOX.>", "$EDGE.>"], subscribe: [">"] } }] }' })
  const bridge = await live.serve({ auth: { secret: SECRET }, upstream: live.nats.url.replace('//', '//b:b@') } as never)
  const started = Date.now()
  const answer = await post(bridge, '/publish/app.x', await sign({ sub: 'ada', nats: everything }), { body: '1' })
  console.log(answer.status, await answer.text(), Date.now() - started)
  await live.close()
  expect(answer.status).toBe(202)
})
