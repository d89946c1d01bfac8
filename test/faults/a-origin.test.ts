import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { serve } from '../../bridge/node.ts'
import { sign, everything } from '../security/live-bridge.ts'
import { SECRET } from '../support/token.ts'

const open = (url: string, headers: Record<string, string>) =>
  new Promise<string>((resolve) => {
    const socket = new WebSocket(url, { headers, origin: 'http://evil.example' })
    socket.on('error', (error) => resolve(`refused ${error.message}`))
    socket.on('open', () => {
      socket.on('message', (data) => {
        const text = data.toString()
        if (text.startsWith('INFO')) socket.send('CONNECT {"verbose":false}\r\nPING\r\n')
        else { resolve(text); socket.terminate() }
      })
    })
  })

test('a page of elsewhere can not use the cookie, whatever path it dials', async () => {
  await using bridge = await serve({ upstream: 'embedded', auth: { secret: SECRET, cookie: 'session' } })
  const token = await sign({ sub: 'ada', nats: everything })
  const base = bridge.url.replace('http', 'ws')
  expect(await open(`${base}/nats`, { Cookie: `session=${token}` })).toContain('refused')
  expect(await open(`${base}//evil.example/nats`, { Cookie: `session=${token}` })).toContain('refused')
})
