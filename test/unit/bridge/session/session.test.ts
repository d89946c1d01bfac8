import { describe, expect, it } from 'vitest'
import type { ClientSocket } from '../../../../bridge/delivery/client-socket.ts'
import { eventually } from '../../../support/eventually.ts'
import { coreOf } from '../../../support/hub-core.ts'
import { bridgeFor, ScriptedClient, SECRET, settle, sign } from './scripted-client.ts'

describe('a session', () => {
  it('sends INFO first', async () => {
    const { bridge } = bridgeFor()
    const client = new ScriptedClient(bridge)
    const text = await client.turn()
    expect(text).toMatch(/^INFO \{.*\}\r\n$/)
    expect(JSON.parse(text.slice(5))).toMatchObject({ headers: true, max_payload: 1048576, edge: { upstream: 'open' } })
  })

  it('delivers messages, also to their publisher', async () => {
    const { bridge } = bridgeFor()
    const client = await ScriptedClient.connected(bridge)
    client.send('SUB a.* 7\r\nPUB a.b r 5\r\nhello\r\nHPUB a.c 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\nPING\r\n')
    expect(await client.turn()).toBe(
      'MSG a.b 7 r 5\r\nhello\r\nHMSG a.c 7 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\nPONG\r\n',
    )
  })

  it('sends one frame per turn, and shares its bytes between clients', async () => {
    const { bridge } = bridgeFor()
    const clients = await Promise.all([1, 2, 3].map(() => ScriptedClient.connected(bridge)))
    for (const client of clients) client.send('SUB a 1\r\n')
    clients[0]?.send('PUB a 1\r\nx\r\nPUB a 1\r\ny\r\n')
    await settle()
    coreOf(bridge.hub).turn.flush()
    for (const client of clients) expect(client.sends).toHaveLength(1)
    expect(clients[1]?.sends[0]).toBe(clients[0]?.sends[0])
    expect(bridge.hub.stats).toMatchObject({ connections: 3, subscriptions: 3, upstreamSubscriptions: 1 })
  })

  it('ends the upstream subscription with the last client', async () => {
    const { bridge } = bridgeFor()
    const [a, b] = [await ScriptedClient.connected(bridge), await ScriptedClient.connected(bridge)]
    a.send('SUB x 1\r\n')
    b.send('SUB x 9\r\n')
    a.connection.closed()
    expect(bridge.hub.stats.upstreamSubscriptions).toBe(1)
    b.send('UNSUB 9\r\n')
    expect(bridge.hub.stats.upstreamSubscriptions).toBe(0)
  })

  it('processes the input of a busy client in several turns', async () => {
    const { bridge } = bridgeFor()
    const [busy, quiet] = [await ScriptedClient.connected(bridge), await ScriptedClient.connected(bridge)]
    quiet.send('SUB loud 1\r\nSUB quiet 2\r\n')
    busy.send('PUB loud 1\r\nx\r\n'.repeat(200))
    busy.send('PUB loud 1\r\ny\r\nPING\r\n')
    quiet.send('PUB quiet 1\r\nz\r\n')
    const turns: string[] = []
    for (let i = 0; i < 10; i++) turns.push((await quiet.turn()).replace(/[^xyz]/g, ''))
    expect(turns.join('')).toBe(`${'x'.repeat(32)}z${'x'.repeat(168)}y`)
    expect(turns.filter((text) => text !== '').map(({ length }) => length)).toEqual([33, 32, 32, 32, 32, 32, 9])
  })

  it('processes the input of a client that left', async () => {
    const { bridge } = bridgeFor()
    const [leaving, other] = [await ScriptedClient.connected(bridge), await ScriptedClient.connected(bridge)]
    other.send('SUB a 1\r\n')
    leaving.send('PUB a 1\r\nx\r\n'.repeat(500))
    leaving.connection.closed()
    expect((await other.turn()).match(/x/g)).toHaveLength(500)
    expect(bridge.hub.stats.connections).toBe(1)
  })

  it('processes the input of a client that left while its token was checked', async () => {
    const { bridge } = bridgeFor({ auth: { secret: SECRET } })
    const auth_token = await sign({ sub: 'ada', nats: { pub: { allow: ['a'] }, sub: { allow: ['a'] } } })
    const other = await ScriptedClient.connected(bridge, { auth_token })
    other.send('SUB a 1\r\n')
    // At the first CONNECT, and at a refresh.
    for (const leaving of [new ScriptedClient(bridge), await ScriptedClient.connected(bridge, { auth_token })]) {
      const before = bridge.hub.stats.connections
      leaving.send(`CONNECT {"auth_token":"${auth_token}"}\r\n${'PUB a 1\r\nx\r\n'.repeat(100)}`)
      leaving.connection.closed()
      await eventually(() => bridge.hub.stats.connections === before - 1)
      expect((await other.turn()).match(/x/g)).toHaveLength(100)
    }
  })

  it('releases everything of a client that is rejected after it left', async () => {
    const { bridge } = bridgeFor({ auth: { secret: SECRET } })
    const leaving = new ScriptedClient(bridge)
    leaving.send('CONNECT {"auth_token":"nonsense"}\r\nPUB a 0\r\n\r\n')
    leaving.connection.closed()
    await eventually(() => bridge.hub.stats.connections === 0)
  })

  it('ends a subscription after max messages', async () => {
    const { bridge } = bridgeFor()
    const client = await ScriptedClient.connected(bridge)
    client.send('SUB a 1\r\nUNSUB 1 2\r\nPUB a 1\r\n1\r\nPUB a 1\r\n2\r\nPUB a 1\r\n3\r\nPING\r\n')
    expect(await client.turn()).toBe('MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\nPONG\r\n')
    expect(bridge.hub.stats.upstreamSubscriptions).toBe(0)
  })

  it('delivers to one member of a queue group', async () => {
    const { bridge } = bridgeFor()
    const clients = await Promise.all([1, 2, 3].map(() => ScriptedClient.connected(bridge)))
    for (const client of clients) client.send('SUB a workers 1\r\n')
    for (let i = 0; i < 30; i++) clients[0]?.send('PUB a 0\r\n\r\n')
    const counts = await Promise.all(clients.map(async (client) => (await client.turn()).split('MSG').length - 1))
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(30)
  })

  it('does not deliver own messages with echo: false', async () => {
    const { bridge } = bridgeFor()
    const quiet = await ScriptedClient.connected(bridge, { echo: false })
    const other = await ScriptedClient.connected(bridge, { headers: false, no_responders: false })
    quiet.send('SUB a 1\r\n')
    other.send('SUB a 1\r\n')
    quiet.send('PUB a 2\r\nhi\r\nPING\r\n')
    expect(await quiet.turn()).toBe('PONG\r\n')
    expect(await other.turn()).toBe('MSG a 1 2\r\nhi\r\n')
  })

  it('sends the status 503 to a requester without responders', async () => {
    const { bridge } = bridgeFor()
    const asks = await ScriptedClient.connected(bridge)
    const deaf = await ScriptedClient.connected(bridge, { no_responders: false })
    asks.send('SUB _INBOX.a.* 1\r\nPUB unanswered _INBOX.a.1 0\r\n\r\n')
    deaf.send('SUB _INBOX.b.* 1\r\nPUB unanswered _INBOX.b.1 0\r\n\r\n')
    expect(await asks.turn()).toMatch(/^HMSG _INBOX\.a\.1 1 \d+ \d+\r\nNATS\/1\.0 503/)
    expect(await deaf.turn()).toBe('')
  })

  it('sends INFO with another max_payload after the first PONG: nats.go (NoEcho) takes nothing else after CONNECT', async () => {
    const { bridge } = bridgeFor()
    const client = new ScriptedClient(bridge)
    const { max_payload } = JSON.parse((await client.turn()).slice(5))
    client.send('CONNECT {"verbose":false,"echo":false,"headers":true}\r\nPING\r\n')
    const [pong, info, rest] = (await client.until('INFO')).split('\r\n')
    expect([pong, rest]).toEqual(['PONG', ''])
    expect(JSON.parse(info?.slice(5) ?? '').max_payload).toBeLessThan(max_payload)
    // Until then the client may send what the first INFO allows. It is refused, and the client stays.
    const hasty = new ScriptedClient(bridge)
    await hasty.turn()
    const publish = `PUB a ${max_payload}\r\n${'x'.repeat(max_payload)}\r\n`
    hasty.send(`CONNECT {"verbose":false,"echo":false,"headers":true}\r\n${publish}PING\r\n`)
    expect(await hasty.until('PONG')).toContain('-ERR')
    expect(hasty.closes).toEqual([])
  })

  it('states the address of the client, and what the broker is', async () => {
    const { bridge } = bridgeFor()
    const client = new ScriptedClient(bridge, undefined, { address: '192.0.2.1' })
    expect(JSON.parse((await client.turn()).slice(5))).toMatchObject({
      client_ip: '192.0.2.1',
      version: '2.10.0',
      jetstream: true,
    })
  })

  it('confirms operations in verbose mode, in order', async () => {
    const { bridge } = bridgeFor()
    const client = new ScriptedClient(bridge)
    await client.turn()
    client.send('CONNECT {"verbose":true}\r\nSUB a 1\r\nUNSUB 1\r\nPUB a 0\r\n\r\nPUB a..b 0\r\n\r\n')
    expect(await client.turn()).toBe("+OK\r\n+OK\r\n+OK\r\n+OK\r\n-ERR 'Invalid Publish Subject'\r\n")
  })

  it.each([
    ['PUB a\r\n', 'Unknown Protocol Operation', 1002],
    ['HELLO\r\n', 'Unknown Protocol Operation', 1002],
    ['PUB a 2\r\nabc\r\n', 'Unknown Protocol Operation', 1002],
    ['PUB a 1048577\r\n', 'Maximum Payload Violation', 1009],
    [`SUB ${'a'.repeat(5000)} 1\r\n`, 'maximum control line exceeded', 1008],
  ])('closes on %j with %s', async (input, error, code) => {
    const { bridge } = bridgeFor()
    const client = await ScriptedClient.connected(bridge)
    client.send(input)
    expect(await client.turn()).toBe(`-ERR '${error}'\r\n`)
    expect(client.closes).toEqual([{ code, reason: error }])
    expect(bridge.hub.stats.connections).toBe(0)
  })

  it('answers every PING of a flood in order', async () => {
    const { bridge } = bridgeFor()
    const client = await ScriptedClient.connected(bridge)
    client.send(`SUB a 1\r\n${'PING\r\n'.repeat(1_000)}SUB a..b 2\r\n${'PING\r\n'.repeat(500)}`)
    let text = ''
    for (let i = 0; i < 60; i++) text += await client.turn()
    expect(text.split('-ERR').map((part) => part.split('PONG').length - 1)).toEqual([1_000, 500])
  })

  it('closes on a first operation that is not CONNECT', async () => {
    const { bridge } = bridgeFor()
    const client = new ScriptedClient(bridge)
    await client.turn()
    client.send('PING\r\n')
    expect(await client.turn()).toBe("-ERR 'Authorization Violation'\r\n")
  })

  it('closes silent connections, and those without CONNECT', async () => {
    const { bridge, now } = bridgeFor({ limits: { connectTimeout: 5_000, pingInterval: 25_000 } })
    const loris = new ScriptedClient(bridge)
    const mute = await ScriptedClient.connected(bridge)
    await loris.turn()
    const tick = async (ms: number) => {
      now.ms += ms
      coreOf(bridge.hub).registry.tick()
      return [await loris.turn(), await mute.turn()]
    }
    expect(await tick(5_000)).toEqual(["-ERR 'Authentication Timeout'\r\n", ''])
    expect(await tick(25_000)).toEqual(['', 'PING\r\n'])
    expect(await tick(25_000)).toEqual(['', 'PING\r\n'])
    expect(await tick(25_000)).toEqual(['', "-ERR 'Stale Connection'\r\n"])
  })

  it('closes only the client that exceeds its limit of unread bytes', async () => {
    const { bridge } = bridgeFor({ limits: { maxPending: 64 * 1024, maxPayload: 16 * 1024 } })
    const [slow, fast] = [await ScriptedClient.connected(bridge), await ScriptedClient.connected(bridge)]
    slow.send('SUB a 1\r\n')
    fast.send('SUB a 1\r\n')
    let received = 0
    for (let i = 0; i < 20; i++) {
      fast.send(`PUB a 8192\r\n${'x'.repeat(8192)}\r\n`)
      const text = await fast.turn()
      received += text.split('MSG').length - 1
      for (let pings = text.split('PING').length - 1; pings > 0; pings--) fast.send('PONG\r\n')
    }
    expect(received).toBe(20)
    expect(fast.closes).toEqual([])
    expect(slow.closes).toEqual([{ code: 1008, reason: 'Slow Consumer' }])
    const sent = slow.sends.reduce((sum, bytes) => sum + bytes.length, 0)
    expect(sent).toBeLessThan(64 * 1024 + 64)
    // As nats-server: its clients would not connect again after this text.
    expect(await slow.turn()).not.toContain('-ERR')
  })
})

describe('a session with a token', () => {
  const nats = { pub: { allow: ['orders.*'] }, sub: { allow: ['orders.>'], deny: ['orders.secret'] } }
  const auth = { secret: SECRET }

  it('has the permissions of its token', async () => {
    const { bridge } = bridgeFor({ auth })
    const client = await ScriptedClient.connected(bridge, { auth_token: await sign({ sub: 'ada', nats }) })
    client.send(
      'SUB orders.> 1\r\nSUB other 2\r\nPUB orders.1 1\r\nx\r\nPUB orders.secret 1\r\ny\r\nPUB other 0\r\n\r\n',
    )
    expect(await client.turn()).toBe(
      [
        `-ERR 'Permissions Violation for Subscription to "other"'\r\n`,
        `-ERR 'Permissions Violation for Publish to "other"'\r\n`,
        'MSG orders.1 1 1\r\nx\r\n',
      ].join(''),
    )
  })

  it.each([
    ['no token', undefined],
    ['an invalid signature', { secret: 'another secret of thirty-two bytes!' }],
    ['an expired token', { claims: { exp: 1 } }],
    ['a token that is not valid yet', { claims: { nbf: 4_000_000_000 } }],
    ['malformed permissions', { claims: { nats: { sub: { allow: ['>'], deny: 'secret' } } } }],
  ])('rejects %s', async (_, token) => {
    const { bridge } = bridgeFor({ auth })
    const auth_token =
      token && (await sign('claims' in token ? token.claims : {}, 'secret' in token ? token.secret : SECRET))
    const client = await ScriptedClient.connected(bridge, { auth_token })
    expect(client.closes).toEqual([{ code: 1008, reason: 'Authorization Violation' }])
  })

  it('is closed when its token expires', async () => {
    const { bridge, now } = bridgeFor({ auth })
    const exp = Math.floor(Date.now() / 1000) + 60
    now.ms = exp * 1000 - 1
    const client = await ScriptedClient.connected(bridge, { auth_token: await sign({ exp, nats }) })
    coreOf(bridge.hub).registry.tick()
    expect(client.closes).toEqual([])
    now.ms += 1
    coreOf(bridge.hub).registry.tick()
    expect(client.closes).toEqual([{ code: 1008, reason: 'User Authentication Expired' }])
  })

  it('accepts a new token, and ends subscriptions that it does not allow', async () => {
    const { bridge } = bridgeFor({ auth })
    const client = await ScriptedClient.connected(bridge, { auth_token: await sign({ nats }) })
    client.send('SUB orders.1 1\r\nSUB orders.2 2\r\n')
    const narrower = await sign({ nats: { sub: { allow: ['orders.2'] } } })
    client.send(`CONNECT {"auth_token":"${narrower}"}\r\nPUB orders.1 0\r\n\r\nPING\r\n`)
    expect(await client.until('PONG')).toBe(
      [
        `-ERR 'Permissions Violation for Subscription to "orders.1"'\r\n`,
        `-ERR 'Permissions Violation for Publish to "orders.1"'\r\n`,
        'PONG\r\n',
      ].join(''),
    )
    expect(bridge.hub.stats.subscriptions).toBe(1)
  })
})

describe('a new token whose check is pending, with more input than the limit', () => {
  const publish = `PUB a 100000\r\n${'x'.repeat(100_000)}\r\n`

  /** A client whose first token is accepted. The check of the next one ends when the test calls `decide`. */
  async function refreshing(socket: Partial<ClientSocket> = {}) {
    const checked = Promise.withResolvers<void>()
    let first = true
    const everything = { allow: ['>'], deny: [] }
    const authorize = async () => {
      if (!first) await checked.promise
      first = false
      return { publish: everything, subscribe: everything }
    }
    const { bridge } = bridgeFor({ auth: { secret: SECRET, authorize } })
    const client = new ScriptedClient(bridge, undefined, socket)
    const connect = `CONNECT {"verbose":false,"auth_token":"${await sign({ sub: 'ada' })}"}\r\n`
    client.send(`${connect}SUB a 1\r\nPING\r\n`)
    await client.until('PONG')
    client.send(connect)
    return { client, checked: checked.resolve }
  }

  it('pauses the socket, and processes the input afterwards', async () => {
    let reading = true
    const { client, checked } = await refreshing({
      pause: () => {
        reading = false
      },
      resume: () => {
        reading = true
      },
    })
    let sent = 0
    for (; reading && sent < 50; sent++) client.send(publish)
    expect(reading).toBe(false)
    checked()
    await eventually(() => reading)
    client.send('PING\r\n')
    expect((await client.until('PONG')).split('MSG a 1 ')).toHaveLength(sent + 1)
    expect(client.closes).toEqual([])
  })

  it('closes with 1012 if the host can not pause', async () => {
    const { client } = await refreshing()
    for (let i = 0; i < 50; i++) client.send(publish)
    expect(client.closes).toEqual([{ code: 1012, reason: 'Server Restart' }])
  })
})

describe('a session whose hub lost its memory', () => {
  it('continues from its snapshot with subscriptions, counts, permissions and PINGs', async () => {
    const before = bridgeFor()
    const client = await ScriptedClient.connected(before.bridge)
    client.send('SUB a 1\r\nSUB b 2\r\nUNSUB 2 2\r\nPUB b 0\r\n\r\n')
    await client.turn()
    const snapshot = client.snapshots.at(-1)
    if (!snapshot) throw new Error('the session was not persisted')

    const after = bridgeFor()
    const same = new ScriptedClient(after.bridge, { ...snapshot, unansweredPings: 1 })
    expect(await same.turn()).toMatch(/^INFO .*\r\nPONG\r\n$/)
    same.send('PUB a 0\r\n\r\nPUB b 0\r\n\r\nPUB b 0\r\n\r\n')
    expect(await same.turn()).toBe('MSG a 1 0\r\n\r\nMSG b 2 0\r\n\r\n')
  })

  it('is closed with 1012 in the middle of an operation', async () => {
    const before = bridgeFor()
    const client = await ScriptedClient.connected(before.bridge)
    client.send('PUB a 5\r\nhe')
    await client.turn()
    const snapshot = client.snapshots.at(-1)
    expect(snapshot?.midOperation).toBe(true)
    if (!snapshot) return
    const same = new ScriptedClient(bridgeFor().bridge, snapshot)
    expect(same.closes).toEqual([{ code: 1012, reason: 'Server Restart' }])
  })
})
