import { test } from 'vitest'
import { serve } from '../../bridge/node.ts'
import { get } from 'node:http'
import { connected } from '../security/live-bridge.ts'
import { openToAll } from '../support/open-to-all.ts'
import { eventually } from '../support/eventually.ts'

test('who answers PINGs blindly and reads nothing is a slow consumer all the same', async () => {
  await using bridge = await serve({
    upstream: 'embedded', auth: openToAll,
    limits: { maxPending: 1024 * 1024, maxPayload: 128 * 1024, publishRate: { messages: 1e6, bytes: 1e9 } },
  })
  const { hub } = bridge.bridge
  const reader = await connected(bridge, {})
  await reader.exchange('SUB flood 1\r\n')
  reader.pause()
  const before = process.memoryUsage().arrayBuffers
  const payload = new Uint8Array(100_000)
  for (let i = 0; i < 1_000 && hub.stats.connections > 0; i++) {
    hub.publish({ subject: 'flood', payload })
    reader.send('PONG\r\n')
    await new Promise((r) => setTimeout(r, 1))
  }
  console.log('MiB held:', (process.memoryUsage().arrayBuffers - before) / 1048576)
  await eventually(() => hub.stats.closed.get('Slow Consumer') === 1)
  reader.terminate()
}, 60_000)

test('nor can one of a tunnel make the bridge keep all that it does not read', async () => {
  await using bridge = await serve({ upstream: 'embedded', auth: openToAll })
  const { hub } = bridge.bridge
  const answer = await new Promise<import('node:http').IncomingMessage>((resolve) => get(`${bridge.url}/nats/stream`, resolve))
  let text = ''
  const key = await new Promise<string>((resolve) =>
    answer.on('data', (chunk) => {
      text += chunk
      const found = /"key":"([0-9a-f]+)"/.exec(text)?.[1]
      if (found) resolve(found)
    }),
  )
  answer.pause()
  let number = 0
  const say = async (body: string) =>
    (await fetch(`${bridge.url}/nats/stream`, { method: 'POST', headers: { 'Spanwire-Tunnel': `${key} ${++number}` }, body })).status
  await say('CONNECT {"verbose":false}\r\nSUB flood 1\r\n')
  const payload = new Uint8Array(500_000)
  let status = 204
  for (let i = 0; i < 200 && status === 204; i++) {
    hub.publish({ subject: 'flood', payload })
    status = await say('PONG\r\nPONG\r\n')
  }
  await eventually(() => hub.stats.connections === 0, { deadline: 2_000 })
  answer.destroy()
}, 60_000)
