import { expect, it } from 'vitest'
import { connectLine } from '../conformance/edge-protocol/audit.ts'
import { RawClient } from '../conformance/edge-protocol/raw-client.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { startHost } from '../support/process-host.ts'
import { everything, sign } from './live-bridge.ts'

it('shows no tokens, cookies, keys and payloads in logs, errors and responses', async () => {
  const secret = 'the-shared-secret-0123456789abcdef'
  const adminKey = 'the-administrators-key-0123456789'
  const monitoringKey = 'the-key-to-look-at-it-0123456789'
  const password = 'the-upstream-password'
  const payload = 'the-payload-of-a-message'
  const nats = await startNatsServer({ config: `authorization { user: bridge, password: ${password} }` })
  const host = await startHost('node', {
    upstream: nats.url.replace('//', `//bridge:${password}@`),
    auth: { secret, cookie: 'session' },
    admin: { key: adminKey },
    monitoring: { key: monitoringKey },
  })
  const long = await sign({ sub: 'ada', ...{ exp: 4_000_000_000 } }, new TextEncoder().encode(secret))
  const good = await sign(
    { sub: 'ada', nats: { ...everything, pub: { allow: ['a'] } } },
    new TextEncoder().encode(secret),
  )
  const bad = await sign({ sub: 'mallory' }, new TextEncoder().encode('another secret of thirty-two bytes'))
  const expired = await sign({ sub: 'ada', exp: 1 }, new TextEncoder().encode(secret))
  const said: string[] = []

  const request = async (path: string, token: string, init: RequestInit = {}) => {
    const headers = { Authorization: `Bearer ${token}`, ...(init.headers as Record<string, string>) }
    const response = await fetch(host.url + path, { method: 'POST', body: payload, ...init, headers })
    // An event stream has no end of its own.
    said.push(JSON.stringify([...response.headers]), await response.text().catch(() => ''))
  }
  const talk = async (token: string, ...rest: string[]) => {
    const client = await RawClient.open(`${host.url.replace('http', 'ws')}/nats`)
    client.send(connectLine({}, { auth_token: token }) + rest.join(''))
    const { lines, ending } = await client.exchange()
    said.push(JSON.stringify([lines, ending, client.infos]))
    client.terminate()
  }
  const scenario = async () => {
    for (const token of [good, bad, expired, 'nonsense', adminKey]) {
      await talk(token, `PUB b 24\r\n${payload}\r\nPUB a 24 24\r\n${payload}\r\n`)
      await talk(token, `PUB b 3\r\n${payload}\r\n`)
      for (const path of [
        '/publish/a',
        '/publish/b',
        '/publish',
        '/request/a?timeout=50',
        '/admin/disconnect',
        '/nowhere',
      ]) {
        await request(path, token)
      }
    }
    for (const token of [good, bad, expired, 'nonsense', long]) {
      for (const path of [
        '/events?subject=a',
        '/events?subject=a&subject=b&from=all',
        '/events?subject=..',
        '/history/a?from=all',
      ])
        await request(`${path}&token=${token}`, '', { method: 'GET', body: null, signal: AbortSignal.timeout(200) })
    }
    const watched = await RawClient.open(`${host.url.replace('http', 'ws')}/nats`)
    await watched.exchange(connectLine({ name: 'watched' }, { auth_token: good }))
    for (const key of [monitoringKey, adminKey, good])
      for (const path of ['/varz', '/connz?subs=1', '/subsz?subs=1', '/metrics'])
        await request(path, key, { method: 'GET', body: null })
    watched.terminate()
    const cookie = { Authorization: '', Cookie: `session=${bad}`, Origin: host.url }
    await request('/publish/a', '', { headers: cookie })
    await request('/publish/a', '', { headers: { ...cookie, Origin: 'https://evil.example' } })
  }

  await scenario()
  await nats.stop()
  await scenario()
  await host.stop()
  await nats[Symbol.asyncDispose]()
  // The loss of the upstream is logged, which proves that the log is captured.
  expect(host.output).toContain('NATS')
  expect(said.join()).toContain('authentication-failed')
  expect(said.join()).toContain('"name":"watched"')
  const everythingSaid = [host.output, ...said].join('\n')
  const parts = [good, bad, expired, long].flatMap((token) => [token, token.split('.')[2] as string])
  for (const one of [secret, adminKey, monitoringKey, password, payload, ...parts])
    expect(everythingSaid).not.toContain(one)
}, 30_000)
