import { expect, it } from 'vitest'
import { http } from '../../../sdk/http.ts'
import { webSocket } from '../../../sdk/transport/websocket.ts'

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

it('a token function that hangs is asked again after connectTimeout', async () => {
  let asked = 0
  const token = () => (asked++ === 0 ? new Promise<string>(() => {}) : 'a.b.c')
  const transport = webSocket({ url: 'ws://127.0.0.1:1', token, connectTimeout: 100, backoff: { first: 10 } })
  await sleep(400)
  await transport.close()
  expect(asked).toBeGreaterThan(1)
})

it('HTTP: who aborts while the token is fetched hears aborted', async () => {
  const over = new AbortController()
  const transport = http({ url: 'http://127.0.0.1:1', token: () => new Promise(() => {}) })
  const published = transport.publish('a', new Uint8Array(), { signal: over.signal }).catch((error) => error.code)
  await sleep(20)
  over.abort()
  expect(await Promise.race([published, sleep(300).then(() => 'hangs')])).toBe('aborted')
})

it('HTTP: the timeout counts for the token too', async () => {
  const transport = http({ url: 'http://127.0.0.1:1', timeout: 100, token: () => new Promise(() => {}) })
  const published = transport.publish('a', new Uint8Array()).catch((error) => error.code)
  expect(await Promise.race([published, sleep(500).then(() => 'hangs')])).toBe('timeout')
})
