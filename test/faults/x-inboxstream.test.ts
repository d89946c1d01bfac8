import { expect, test } from 'vitest'
import { connected, LiveBridges, sign } from '../security/live-bridge.ts'
import { SECRET } from '../support/token.ts'

test('X-6: nobody keeps in a stream what is sent to an inbox whose name a request showed', async () => {
  const live = await LiveBridges.start({ jetstream: true })
  const bridge = await live.serve({ auth: { secret: SECRET } })
  const mallory = await connected(bridge, { auth_token: await sign({ sub: 'm', nats: { pub: { allow: ['_INBOX.>', '$JS.API.STREAM.CREATE.*', '$JS.API.STREAM.MSG.GET.*'] }, sub: { allow: ['q.mallory'] } } }) })
  const bank = await connected(bridge, { auth_token: await sign({ sub: 'b', nats: { pub: { allow: ['_INBOX.>'] }, sub: { allow: ['q.bank'] } } }) })
  const ada = await connected(bridge, { auth_token: await sign({ sub: 'ada', nats: { pub: { allow: ['q.*'] } } }) })
  await mallory.exchange('SUB q.mallory 1\r\nSUB _INBOX.mine.* 2\r\n')
  await bank.exchange('SUB q.bank 1\r\n')
  await ada.exchange('SUB _INBOX.ada.* 1\r\nPUB q.mallory _INBOX.ada.1 0\r\n\r\n')
  const [, , , reply = ''] = (await mallory.next())!.line.split(' ')
  const body = JSON.stringify({ name: 'LOOT', subjects: [`${reply.split('.').slice(0, 2).join('.')}.>`] })
  const { lines } = await mallory.exchange(`PUB $JS.API.STREAM.CREATE.LOOT _INBOX.mine.1 ${body.length}\r\n${body}\r\n`)
  console.log(lines.map(({ line, payload }) => `${line} ${payload?.slice(0, 120)}`))
  await ada.exchange('PUB q.bank _INBOX.ada.2 0\r\n\r\n')
  const [, , , question = ''] = (await bank.next())!.line.split(' ')
  await bank.exchange(`PUB ${question} 6\r\nsecret\r\n`)
  const get = '{"seq":1}'
  const got = await mallory.exchange(`PUB $JS.API.STREAM.MSG.GET.LOOT _INBOX.mine.2 ${get.length}\r\n${get}\r\n`)
  const seen = [...lines, ...got.lines].map(({ payload }) => payload ?? '').join()
  await new Promise((r) => setTimeout(r, 200))
  const late = (await mallory.exchange()).lines.map(({ payload }) => payload ?? '').join()
  console.log(seen.slice(0, 300), late)
  expect(`${seen}${late}`).not.toContain(Buffer.from('secret').toString('base64'))
  for (const one of [mallory, bank, ada]) one.terminate()
  await live.close()
})
