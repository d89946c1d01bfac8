import { expect, test } from 'vitest'
import { everything, LiveBridges, connected, sign } from '../security/live-bridge.ts'
import { SECRET } from '../support/token.ts'

test('a signal without data is not understood, and asks no other hub for all of its members', async () => {
  const live = await LiveBridges.start()
  const a = await live.serve({ auth: { secret: SECRET } })
  const b = await live.serve({ auth: { secret: SECRET } })
  const token = await sign({ sub: 'ada', nats: everything })
  const one = await connected(a, { auth_token: token })
  const other = await connected(b, { auth_token: token })
  const pub = (text: string) => `PUB $EDGE.PRESENCE.room ${text.length}\r\n${text}\r\n`
  await other.exchange(pub('{"do":"join"}'))
  await one.exchange(pub('{"do":"join"}'))
  await new Promise((r) => setTimeout(r, 500))
  const spy = await live.atNats()
  await spy.exchange('SUB $EDGE.HUBS.PRESENCE.> 1\r\n')
  const { lines } = await one.exchange(pub('{"do":"signal"}').repeat(100))
  await new Promise((r) => setTimeout(r, 500))
  const heard = (await spy.exchange()).lines
  const count = (what: string) => heard.filter(({ payload }) => payload?.includes(what)).length
  console.log('asks', count('"ask"'), 'full lists', count('"members"'), 'errors to the client', lines.length)
  expect(count('"members"')).toBeLessThan(10)
  one.terminate(); other.terminate(); spy.terminate()
  await live.close()
})
