import { expect, test } from 'vitest'
import { serve } from '../../bridge/node.ts'
import { connected, sign, post } from '../security/live-bridge.ts'
import { SECRET } from '../support/token.ts'

test('who is asked once by HTTP can not answer what others ask', async () => {
  await using bridge = await serve({ upstream: 'embedded', auth: { secret: SECRET } })
  const mallory = await connected(bridge, { auth_token: await sign({ sub: 'm', nats: { pub: { allow: ['_INBOX.>'] }, sub: { allow: ['q.mallory'] } } }) })
  const bank = await connected(bridge, { auth_token: await sign({ sub: 'b', nats: { pub: { allow: ['_INBOX.>'] }, sub: { allow: ['q.bank'] } } }) })
  await mallory.exchange('SUB q.mallory 1\r\n')
  await bank.exchange('SUB q.bank 1\r\n')
  const token = await sign({ sub: 'ada', nats: { pub: { allow: ['q.>'] } } })
  const first = post(bridge, '/request/q.mallory', token)
  const reply = (await mallory.next())!.line.split(' ')[3]!
  mallory.send(`PUB ${reply} 2\r\nhi\r\n`)
  expect(await (await first).text()).toBe('hi')

  const asked = post(bridge, '/request/q.bank', token)
  const question = (await bank.next())!.line.split(' ')[3]!
  const guess = reply.replace(/\d+$/, (n) => String(Number(n) + 1))
  await mallory.exchange(`PUB ${guess} 6\r\nforged\r\n`)
  bank.send(`PUB ${question} 4\r\ntrue\r\n`)
  expect(await (await asked).text()).toBe('true')
  mallory.terminate(); bank.terminate()
})
