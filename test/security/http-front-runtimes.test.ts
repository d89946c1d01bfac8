/** Attacks on the HTTP server in front of a bridge, before and after a client is known, on each runtime. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { RawClient } from '../conformance/edge-protocol/raw-client.ts'
import { eventually } from '../support/eventually.ts'
import { type HostProcess, startHost } from '../support/process-host.ts'
import { encodeChunk, RawHttp } from '../support/raw-http.ts'
import { growthDuring } from '../support/resident-memory.ts'
import { isSkipped } from '../support/runtimes.ts'
import { rootToken, SECRET } from '../support/token.ts'

const KEY = 'k'.repeat(40)
const ADMIN_KEY = 'a'.repeat(40)
const MAX_CONNECTIONS = 60
const UPGRADE = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
  'Sec-WebSocket-Version': '13',
}

for (const runtime of ['node', 'bun', 'deno'] as const)
  describe.skipIf(isSkipped(runtime))(`a bridge on ${runtime}`, () => {
    let host: HostProcess
    let token: string
    let silentSockets: Promise<void>
    const open = () => RawHttp.open(host.url)
    const authorized = () => ({ Authorization: `Bearer ${token}` })

    beforeAll(async () => {
      token = await rootToken()
      host = await start({})
      silentSockets = closeSilentSockets()
      silentSockets.catch(() => {})
    }, 30_000)
    afterAll(async () => {
      expect(host.output).not.toMatch(/unhandled|uncaught|TypeError|RangeError/i)
      await host?.stop()
    })

    function start(options: object): Promise<HostProcess> {
      const common = {
        upstream: 'embedded',
        auth: { secret: SECRET },
        monitoring: { key: KEY },
        admin: { key: ADMIN_KEY },
      }
      const limits = { maxConnections: MAX_CONNECTIONS, connectTimeout: 1_000, bodyTimeout: 2_000 }
      return startHost(runtime, { ...common, limits, ...options })
    }

    async function connections(): Promise<number> {
      const response = await fetch(`${host.url}/varz`, { headers: { Authorization: `Bearer ${KEY}` } })
      return ((await response.json()) as { connections: number }).connections
    }

    async function isServed(): Promise<void> {
      const response = await fetch(`${host.url}/publish/served`, { method: 'POST', body: 'hi', headers: authorized() })
      expect(response.status).toBe(202)
      const client = await RawClient.open(`${host.url.replace('http', 'ws')}/nats`)
      const { ending } = await client.exchange(`CONNECT {"auth_token":"${token}","verbose":false}\r\n`)
      expect(ending).toBeUndefined()
      client.terminate()
    }

    it('answers strangers before it reads their bodies: 100 of 8 MiB without an end take no memory', async () => {
      const paths = [
        '/publish/a',
        '/nothing',
        '/publish',
        '/request/a',
        '/nats/stream',
        '/admin/disconnect',
        '/healthz',
      ]
      const chunk = encodeChunk(Buffer.alloc(65_536, 120))
      const grown = await growthDuring(host.pid, async () => {
        const strangers = await Promise.all(Array.from({ length: 100 }, open))
        for (const [index, stranger] of strangers.entries()) {
          stranger.request(`POST ${paths[index % paths.length]}`, { 'Transfer-Encoding': 'chunked' })
          for (let i = 0; i < 127; i++) stranger.send(chunk)
        }
        for (const stranger of strangers) {
          // Bun resets a connection that still sends, and its client may lose the response.
          await eventually(() => stranger.received.includes('\r\n\r\n') || (runtime === 'bun' && stranger.isEnded))
          expect(stranger.received).toMatch(/^(HTTP\/1\.1 4|$)/)
        }
        await isServed()
        await Promise.all(strangers.map((stranger) => stranger.ended(10_000)))
        for (const stranger of strangers) stranger.destroy()
      })
      console.log(`${runtime}: bodies of strangers +${grown.toFixed(0)} MiB`)
      expect(grown).toBeLessThan(450)
    }, 60_000)

    it('takes bodies of clients that are known, in any chunks, up to the limit and in time', async () => {
      const post = async (path: string, headers: Record<string, string>) => {
        const client = await open()
        client.request(`POST ${path}`, { ...authorized(), ...headers })
        return client
      }
      const tiny = await post('/publish/a', { 'Transfer-Encoding': 'chunked' })
      tiny.send('1\r\nx\r\n'.repeat(5_000))
      tiny.send('0\r\n\r\n')
      expect(await tiny.status()).toBe(202)
      const large = await post('/publish/a', { 'Transfer-Encoding': 'chunked' })
      for (let i = 0; i < 20; i++) large.send(encodeChunk(Buffer.alloc(65_536)))
      expect(await large.status()).toBe(413)
      const announced = await post('/publish/a', { 'Content-Length': '100000000' })
      expect(await announced.status()).toBe(413)
      const drip = await post('/publish/a', { 'Content-Length': '100000' })
      const dripping = setInterval(() => drip.send('x'), 100)
      expect(await drip.status()).toBe(408)
      await drip.ended(10_000)
      clearInterval(dripping)
      for (const client of [tiny, large, announced, drip]) client.destroy()
    }, 30_000)

    it('does not publish a compressed body', async () => {
      const encodings = [
        ['Content-Encoding', 'gzip'],
        ['Content-Encoding', 'br'],
        ['Content-Encoding', 'identity, gzip'],
        ['Transfer-Encoding', 'gzip, chunked'],
      ] as const
      for (const [name, value] of encodings) {
        const client = await open()
        client.request('POST /publish/a', {
          ...authorized(),
          [name]: value,
          ...(name === 'Content-Encoding' && { 'Content-Length': '2' }),
        })
        client.send(name === 'Content-Encoding' ? 'hi' : '2\r\nhi\r\n0\r\n\r\n')
        // A runtime may support no other transfer coding.
        expect([400, 415, 501]).toContain(await client.status())
        client.destroy()
      }
      const identity = { ...authorized(), 'Content-Encoding': 'identity' }
      expect((await fetch(`${host.url}/publish/a`, { method: 'POST', body: 'hi', headers: identity })).status).toBe(202)
    })

    it.each(['h2c', 'foo', 'websocket, h2c', 'TLS/1.0'])(
      'answers a request that offers to upgrade to %s as any other',
      async (protocol) => {
        const offer = {
          Connection: 'Upgrade, HTTP2-Settings',
          Upgrade: protocol,
          'HTTP2-Settings': 'AAMAAABkAAQAoAAAAAIAAAAA',
        }
        const health = await open()
        health.request('GET /healthz', offer)
        expect(await health.status()).toBe(200)
        const post = await open()
        post.request('POST /publish/upgraded', { ...authorized(), ...offer, 'Content-Length': '2' })
        post.send('hi')
        expect(await post.status()).toBe(202)
        // Its event stream ends with its connection.
        const events = await open()
        events.request('GET /events?subject=flood', { ...authorized(), ...offer })
        expect(await events.status()).toBe(200)
        expect(await connections()).toBeGreaterThan(0)
        for (const client of [health, post, events]) client.destroy()
        await eventually(async () => (await connections()) === 0, { what: 'the end of the session', deadline: 25_000 })
      },
      40_000,
    )

    it('a WebSocket on another path is refused at once, and its socket closed', async () => {
      for (const path of ['/events?subject=a', '/nothing', '/history/a', '/publish/a', '/nats/stream']) {
        const client = await open()
        client.request(`GET ${path}`, { ...authorized(), ...UPGRADE })
        expect(await client.status()).toBeGreaterThanOrEqual(400)
        await client.ended(5_000)
        client.destroy()
      }
      const post = await open()
      post.request('POST /publish/a', { ...authorized(), ...UPGRADE, 'Content-Length': '2' })
      post.send('hi')
      expect(await post.status()).toBe(202)
      post.destroy()
    }, 60_000)

    it('HEAD keeps no session, on any route', async () => {
      const paths = [
        '/events?subject=a',
        '/nats/stream',
        '/nats',
        '/history/a',
        '/healthz',
        '/varz',
        '/connz',
        '/publish/a',
      ]
      for (const path of paths) {
        const client = await open()
        client.request(`HEAD ${path}`, authorized())
        expect(await client.status()).toBeLessThan(500)
        expect(await connections()).toBe(0)
        client.destroy()
      }
      const upgrade = await open()
      upgrade.request('HEAD /nats', { ...authorized(), ...UPGRADE })
      expect(await upgrade.status()).not.toBe(101)
      upgrade.destroy()
    })

    it('a client that ends its session and keeps its socket open is cut off', async () => {
      const refused = await open()
      refused.request('GET /nats', { Origin: 'https://evil.example', ...UPGRADE })
      expect(await refused.status()).toBe(403)
      const ended = await open()
      ended.request('GET /nats', UPGRADE)
      // It sends no CONNECT, is closed after a second, and answers no close frame.
      expect(await ended.status()).toBe(101)
      await ended.ended(15_000)
      await refused.ended(20_000)
      for (const client of [refused, ended]) client.destroy()
    }, 40_000)

    /** The close of sockets without a request takes up to 12 s, while the other tests run. */
    async function closeSilentSockets(): Promise<void> {
      const quick = await start({ timeouts: { keepAlive: 1_000, headers: 1_000 } })
      const [silent, half, dripping, idle] = await Promise.all(Array.from({ length: 4 }, () => RawHttp.open(quick.url)))
      half?.send('GET /healthz HTTP/1.1\r\nHost: x\r\n')
      dripping?.send('GET /healthz HTTP/1.1\r\nHost: x\r\n')
      const drip = setInterval(() => dripping?.send('A: b\r\n'), 200)
      idle?.request('GET /healthz')
      // Bun has 12 s for the head of a request, and at least 70 s between requests.
      const deadline = 30_000
      await Promise.all([silent, half, dripping].map((client) => client?.ended(deadline)))
      if (runtime !== 'bun') await idle?.ended(deadline)
      clearInterval(drip)
      for (const client of [silent, half, dripping, idle]) client?.destroy()
      await quick.stop()
    }

    it('a connection without a request is kept for longer than a proxy keeps it', async () => {
      const client = await open()
      client.request('GET /healthz')
      expect(await client.status()).toBe(200)
      if (runtime !== 'bun') expect(client.head).toMatch(/Keep-Alive: timeout=75/i)
      client.destroy()
    })

    it('any bytes as HTTP leave the bridge running, and leave no session', async () => {
      const method = fc.constantFrom(
        'GET',
        'POST',
        'HEAD',
        'PUT',
        'OPTIONS',
        'DELETE',
        'CONNECT',
        'TRACE',
        'PRI',
        'get',
        'X-Y',
      )
      const path = fc.constantFrom(
        ...['/', '/nats', '/nats/stream', '/events?subject=a', '/events', '/history/a', '/publish', '/publish/a'],
        ...[
          '/request/a?timeout=1',
          '/admin/disconnect',
          '/healthz',
          '/varz',
          '//evil/nats',
          '*',
          'http://x/nats',
          '/%00',
          '/\\',
        ],
      )
      const field = fc.constantFrom(
        ...['Connection: Upgrade', 'Connection: close', 'Connection: keep-alive', 'Upgrade: websocket', 'Upgrade: h2c'],
        ...['Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Version: 8'],
        ...[
          'Transfer-Encoding: chunked',
          'Transfer-Encoding: gzip',
          'Content-Length: 5',
          'Content-Length: -1',
          'Content-Length: 5, 6',
        ],
        ...[
          'Expect: 100-continue',
          'Content-Encoding: gzip',
          'Origin: null',
          'Host: other',
          'Host:',
          'Range: bytes=0-1',
        ],
        ...[
          'Authorization: Bearer x',
          'TOKEN',
          'Spanwire-Tunnel: x 1',
          `Spanwire-Tunnel: ${'0'.repeat(64)} 1`,
          'Nats-Headers: %',
        ],
        ...['Last-Event-ID: x', 'Cookie: a=b', ' folded: x', 'No-Colon', `Long: ${'x'.repeat(20_000)}`, 'A: \x01'],
      )
      const body = fc.constantFrom(
        '',
        'hello',
        '5\r\nhello\r\n0\r\n\r\n',
        '5\r\nhello\r\n',
        'fffffffff\r\n',
        '-1\r\n',
        'x'.repeat(100_000),
      )
      const request = fc.tuple(method, path, fc.array(field, { maxLength: 6 }), body)
      await fc.assert(
        fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 3 }), fc.nat(200), async (requests, cut) => {
          const client = await open()
          const text = requests
            .map(([verb, where, fields, content]) => {
              const lines = fields.map((line) => `${line === 'TOKEN' ? `Authorization: Bearer ${token}` : line}\r\n`)
              return `${verb} ${where} HTTP/1.1\r\nHost: x\r\n${lines.join('')}\r\n${content}`
            })
            .join('')
          // Pipelined, and in two parts.
          client.send(text.slice(0, cut))
          await new Promise((resolve) => setImmediate(resolve))
          client.send(text.slice(cut))
          await eventually(() => client.isEnded || client.received.length > 0, { deadline: 300 }).catch(() => {})
          expect(client.received).not.toMatch(/^HTTP\/1\.1 500/)
          client.destroy()
        }),
        { numRuns: 200, interruptAfterTimeLimit: 2_000 },
      )
      await isServed()
      await eventually(async () => (await connections()) === 0, { what: 'the end of all sessions', deadline: 25_000 })
    }, 60_000)

    it('closes in time, without the help of its clients', async () => {
      const closing = await start({})
      const half = await Promise.all(Array.from({ length: 5 }, () => RawHttp.open(closing.url)))
      half[0]?.request('GET /nats', { Origin: 'https://evil.example', ...UPGRADE })
      half[1]?.request('GET /nats', UPGRADE)
      half[2]?.request('GET /events?subject=a', authorized())
      half[3]?.request('POST /publish/a', { ...authorized(), 'Content-Length': '100' })
      half[4]?.send('GET /healthz HTTP/1.1\r\n')
      for (const index of [0, 1, 2]) await half[index]?.status()
      // Other clients connect while it closes.
      let isOver = false
      const coming = (async () => {
        while (!isOver) {
          const late = await RawHttp.open(closing.url).catch(() => undefined)
          late?.request('GET /nats', UPGRADE)
          await new Promise((resolve) => setTimeout(resolve, 5))
        }
      })()
      expect(await closing.stop()).toBe(0)
      isOver = true
      await coming
      for (const client of half) client.destroy()
    }, 30_000)

    it('sockets without a request are closed after a time', () => silentSockets, 40_000)
  })

describe('a bridge that anyone may use', () => {
  const anonymous = { publish: { allow: ['>'], deny: [] }, subscribe: { allow: ['>'], deny: [] } }
  const ask = async (host: BridgeServer, name: string, path = '/events?subject=a') => {
    const client = await RawHttp.open(host.url)
    client.request(`GET ${path}`, { Host: name, Origin: `http://${name}` })
    const status = await client.status()
    client.destroy()
    return status
  }

  it('is not the host of a page by DNS rebinding, if it listens on more than loopback', async () => {
    const open = await serve({ upstream: 'embedded', auth: { anonymous }, host: '0.0.0.0' })
    for (const name of ['evil.example', 'evil.example:8222', 'localhost.evil.example', '127.0.0.1.evil.example'])
      expect(await ask(open, name)).toBe(421)
    for (const name of ['localhost', '127.0.0.1:8222', '[::1]:8222', '10.0.0.7'])
      expect(await ask(open, name)).toBe(200)
    // Load balancers use any name.
    expect(await ask(open, 'evil.example', '/healthz')).toBe(200)
    const upgrade = await RawHttp.open(open.url)
    upgrade.request('GET /nats', { Host: 'evil.example', Origin: 'http://evil.example', ...UPGRADE })
    expect(await upgrade.status()).toBe(421)
    upgrade.destroy()
    await open.close()
  }, 30_000)

  it('takes the names that it is given, and all names where only loopback reaches it, or where clients need a token', async () => {
    const auth = { anonymous }
    const named = await serve({
      upstream: 'embedded',
      auth,
      hosts: ['bridge.example'],
      origins: ['https://app.example'],
    })
    expect(await ask(named, 'bridge.example')).toBe(200)
    expect(await ask(named, 'Bridge.Example:8222')).toBe(200)
    expect(await ask(named, 'app.example')).toBe(200)
    expect(await ask(named, 'evil.example')).toBe(421)
    await named.close()
    const local = await serve({ upstream: 'embedded', auth })
    expect(await ask(local, 'behind.a.proxy')).toBe(200)
    await local.close()
    const guarded = await serve({ upstream: 'embedded', auth: { secret: SECRET }, host: '0.0.0.0' })
    expect(await ask(guarded, 'bridge.example')).toBe(401)
    await guarded.close()
  }, 30_000)
})
