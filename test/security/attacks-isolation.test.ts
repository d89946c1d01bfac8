import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BridgeServer } from '../../bridge/hosts/node.ts'
import { RawClient } from '../conformance/edge-protocol/raw-client.ts'
import { SECRET } from '../support/token.ts'
import { connected, everything, LiveBridges, linesOf, post, refusal, sign, socketUrl } from './live-bridge.ts'

let bridges: LiveBridges
let atNats: RawClient
beforeAll(async () => {
  bridges = await LiveBridges.start()
  atNats = await bridges.atNats()
}, 60_000)
afterAll(async () => {
  atNats?.terminate()
  await bridges?.close()
})

const count = (lines: readonly string[], what: string) => lines.filter((line) => line.includes(what)).length

describe('_INBOX snooping', () => {
  let bridge: BridgeServer
  let service: RawClient
  const answer = { sub: { allow: ['ask', 'evil'] }, resp: { max: 1 } }

  beforeAll(async () => {
    bridge = await bridges.serve({ auth: { secret: SECRET } })
    service = await connected(bridge, { auth_token: await sign({ sub: 'service', nats: answer }) })
    await service.exchange('SUB ask 1\r\n')
  })

  const victim = async () => connected(bridge, { auth_token: await sign({ sub: 'victim', nats: everything }) })

  /** Sends a request of the victim, whose inbox has this token, and answers it with `secret`. */
  async function ask(client: RawClient, token: string): Promise<void> {
    await client.exchange(`SUB _INBOX.${token}.* inbox\r\n`)
    client.send(`PUB ask _INBOX.${token}.1 0\r\n\r\n`)
    const reply = (await service.next())?.line.split(' ')[3]
    expect(reply).toMatch(/^_INBOX\..*\.1$/)
    service.send(`PUB ${reply} 6\r\nsecret\r\n`)
    expect(await client.next()).toEqual({ line: `MSG _INBOX.${token}.1 inbox 6`, payload: 'secret' })
  }

  it.each([
    ['_INBOX.>', 'refused'],
    ['_INBOX.*', 'refused'],
    ['_INBOX.*.*', 'refused'],
    ['_INBOX.*.1', 'refused'],
    ['_INBOX.*.>', 'refused'],
    ['>', 'silent'],
    ['*.>', 'silent'],
    ['*.*.*', 'silent'],
    ['*.*.1', 'silent'],
    ['*.TOKEN.*', 'silent'],
    ['*.TOKEN.1', 'silent'],
  ])('by %s is %s', async (pattern, outcome) => {
    const token = crypto.randomUUID()
    const filter = pattern.replace('TOKEN', token)
    const [snooper, client] = [await victim(), await victim()]
    const { lines } = await snooper.exchange(`SUB ${filter} 1\r\nSUB ${filter} q 2\r\n`)
    expect(lines.length).toBe(outcome === 'refused' ? 2 : 0)
    await ask(client, token)
    // `>` allows the request itself.
    expect(count(await linesOf(snooper, atNats), 'MSG _INBOX')).toBe(0)
    for (const one of [snooper, client]) one.terminate()
  })

  // A responder knows the reply subject. It must not be able to subscribe to it.
  it('by a responder that knows the inbox of the HTTP route', async () => {
    const mallory = await connected(bridge, { auth_token: await sign({ sub: 'mallory', nats: answer }) })
    await mallory.exchange('SUB evil 1\r\n')
    const token = await sign({ sub: 'victim', nats: everything })
    const bait = post(bridge, '/request/evil?timeout=2000', token)
    const inbox = (await mallory.next())?.line.split(' ')[3]?.split('.')[1]
    await mallory.exchange(`SUB _INBOX.${inbox}.> 2\r\nSUB _INBOX.${inbox}.* 3\r\n`)
    const asked = post(bridge, '/request/ask', token)
    const reply = (await service.next())?.line.split(' ')[3]
    service.send(`PUB ${reply} 6\r\nsecret\r\n`)
    expect(await (await asked).text()).toBe('secret')
    const seen = await linesOf(mallory, atNats)
    mallory.terminate()
    await bait
    expect(count(seen, 'MSG _INBOX')).toBe(0)
  })

  it('by guessing the next reply subject of the HTTP route', async () => {
    const forger = { pub: { allow: ['_INBOX.>'] }, sub: { allow: ['evil'] } }
    const mallory = await connected(bridge, { auth_token: await sign({ sub: 'mallory', nats: forger }) })
    await mallory.exchange('SUB evil 1\r\n')
    const token = await sign({ sub: 'victim', nats: everything })
    const bait = post(bridge, '/request/evil', token)
    const known = (await mallory.next())?.line.split(' ')[3] ?? ''
    mallory.send(`PUB ${known} 2\r\nhi\r\n`)
    expect(await (await bait).text()).toBe('hi')
    const asked = post(bridge, '/request/ask', token)
    const reply = (await service.next())?.line.split(' ')[3]
    const guess = known.replace(/\d+$/, (number) => String(Number(number) + 1))
    await mallory.exchange(`PUB ${guess} 6\r\nforged\r\n`)
    service.send(`PUB ${reply} 4\r\ntrue\r\n`)
    expect(await (await asked).text()).toBe('true')
    mallory.terminate()
  })
})

describe('a reply subject that makes others act for a client', () => {
  let bridge: BridgeServer
  beforeAll(async () => {
    bridge = await bridges.serve({ auth: { secret: SECRET } })
  })

  it('is refused if the client is denied to publish there, also if it may read there', async () => {
    const service = await connected(bridge, { auth_token: await sign({ sub: 'echo', nats: everything }) })
    const watcher = await bridges.atNats()
    await service.exchange('SUB echo 1\r\n')
    await watcher.exchange('SUB orders.> 1\r\n')
    const nats = { pub: { allow: ['echo'], deny: ['orders.created'] }, sub: { allow: ['orders.>'] } }
    const mallory = await connected(bridge, { auth_token: await sign({ sub: 'mallory', nats }) })
    const { lines } = await mallory.exchange('PUB echo orders.created 6\r\nforged\r\n')
    expect(lines.map(({ line }) => line)).toEqual([
      `-ERR 'Permissions Violation for Publish with Reply of "orders.created"'`,
    ])
    // Without a deny, the client may read answers there.
    mallory.send('PUB echo orders.7 2\r\nhi\r\n')
    expect((await service.next())?.line).toBe('MSG echo 1 orders.7 2')
    expect(await linesOf(watcher, atNats)).toEqual([])
    for (const one of [service, watcher, mallory]) one.terminate()
  })

  it('brings the status of an unanswered publish to its publisher alone, and once', async () => {
    const orders = { pub: { allow: ['unanswered'] }, sub: { allow: ['orders.>'] } }
    const open = async (sub: string) => connected(bridge, { auth_token: await sign({ sub, nats: orders }) })
    const [mallory, victim, native] = [await open('mallory'), await open('victim'), await bridges.atNats()]
    await victim.exchange('SUB orders.> 1\r\nSUB orders.*.created 2\r\n')
    await native.exchange('SUB orders.> 1\r\n')
    await mallory.exchange('SUB orders.> 1\r\nSUB orders.*.created 2\r\nSUB orders.*.created 3\r\n')
    mallory.send('PUB unanswered orders.7.created 0\r\n\r\n')
    expect((await mallory.next())?.headers).toMatch(/^NATS\/1\.0 503/)
    for (const one of [mallory, victim, native]) expect(await linesOf(one, atNats)).toEqual([])
    // One that another client publishes is a message as all others.
    const status = 'NATS/1.0 503\r\n\r\n'
    native.send(`HPUB orders.8.created ${status.length} ${status.length}\r\n${status}\r\n`)
    expect((await victim.next())?.headers).toBe(status)
    for (const one of [mallory, victim, native]) one.terminate()
  })
})

describe('the bridge’s own subjects', () => {
  it('can not be subscribed to, published to, or used as reply subject', async () => {
    const bridge = await bridges.serve({ auth: { secret: SECRET } })
    const token = await sign({ sub: 'mallory', nats: everything })
    const [mallory, watcher] = [await connected(bridge, { auth_token: token }), await bridges.atNats()]
    await watcher.exchange('SUB $EDGE.> 1\r\n')
    const order = '{"do":"disconnect","user":"mallory"}'
    const { lines } = await mallory.exchange(
      `SUB $EDGE.> 1\r\nSUB $EDGE.ADMIN 2\r\nSUB > 3\r\nPUB $EDGE.ADMIN ${order.length}\r\n${order}\r\nPUB a $EDGE.ADMIN 0\r\n\r\n`,
    )
    expect(lines.length).toBe(4)
    expect((await post(bridge, '/publish/%24EDGE.ADMIN', token, { body: order })).status).toBe(403)
    expect((await post(bridge, '/request/%24EDGE.ADMIN', token, { body: order })).status).toBe(403)
    const line = JSON.stringify({ subject: '$EDGE.ADMIN', data: JSON.parse(order) })
    expect(await (await post(bridge, '/publish', token, { body: line })).text()).toContain('permission-denied')
    await atNats.exchange('PUB $EDGE.OTHER 0\r\n\r\n')
    expect(count(await linesOf(mallory, atNats), '$EDGE')).toBe(0)
    expect(await linesOf(watcher, atNats)).toEqual(['MSG $EDGE.OTHER 1 0'])
    for (const one of [mallory, watcher]) one.terminate()
  })
})

describe('cross-tenant wildcard', () => {
  let bridge: BridgeServer
  const tenant = async (org: string) =>
    connected(bridge, { auth_token: await sign({ sub: org, org, nats: everything }) })

  beforeAll(async () => {
    bridge = await bridges.serve({ auth: { secret: SECRET, subjectPrefix: 'tenants.{{org}}' } })
  })

  it('does not deliver messages of tenant A, or from outside of tenants, to tenant B', async () => {
    const [a, b] = [await tenant('A'), await tenant('B')]
    const filters = [
      '>',
      '*',
      '*.>',
      '*.*.*.*',
      'tenants.>',
      'tenants.A.>',
      'tenants.*.orders.*',
      'orders.*',
      '_INBOX.x.*',
    ]
    await b.exchange(filters.map((filter, sid) => `SUB ${filter} ${sid}\r\nSUB ${filter} q q${sid}\r\n`).join(''))
    await a.exchange('PUB orders.1 1\r\nx\r\nPUB tenants.B.orders.1 1\r\nx\r\nPUB _INBOX.x.1 1\r\nx\r\n')
    const token = await sign({ sub: 'A', org: 'A', nats: everything })
    expect((await post(bridge, '/publish/orders.1', token)).status).toBe(202)
    expect((await post(bridge, '/publish', token, { body: '{"subject":"orders.1"}' })).status).toBe(200)
    await atNats.exchange('PUB orders.1 1\r\nx\r\nPUB tenants 1\r\nx\r\nPUB tenants.AB.orders.1 1\r\nx\r\n')
    expect(await (await tenantLines(b)).filter((line) => line.includes('MSG'))).toEqual([])
    for (const one of [a, b]) one.terminate()
  })

  it('delivers no reply of tenant B to tenant A', async () => {
    const [a, b] = [await tenant('A'), await tenant('B')]
    await b.exchange('SUB quotes 1\r\nSUB > 2\r\n')
    await a.exchange('SUB _INBOX.mine.* 1\r\n')
    a.send('PUB quotes _INBOX.mine.1 0\r\n\r\n')
    expect((await a.next())?.line).toMatch(/^HMSG _INBOX\.mine\.1 1 /)
    await b.exchange('PUB _INBOX.mine.1 4\r\nevil\r\n')
    const response = await post(bridge, '/request/quotes', await sign({ sub: 'A', org: 'A', nats: everything }))
    expect(response.status).toBe(503)
    expect((await tenantLines(a)).filter((line) => line.includes('MSG'))).toEqual([])
    for (const one of [a, b]) one.terminate()
  })

  it('does not show the prefix in errors, statuses, reply subjects and INFO', async () => {
    const a = await connected(bridge, { auth_token: await sign({ sub: 'A', org: 'A', nats: {} }) })
    const { lines } = await a.exchange('SUB orders.> 1\r\nSUB orders.> q 2\r\nPUB orders.1 0\r\n\r\nPUB a..b 0\r\n\r\n')
    expect(lines.length).toBe(4)
    expect(JSON.stringify([lines, a.infos])).not.toContain('tenants')
    const full = await tenant('A')
    await full.exchange('SUB ask 1\r\nSUB _INBOX.mine.* 2\r\n')
    full.send('PUB unanswered _INBOX.mine.1 0\r\n\r\n')
    const received = [await full.next()]
    atNats.send('PUB tenants.A.ask tenants.A.back 0\r\n\r\nPUB tenants.A.ask elsewhere.tenants.A 0\r\n\r\n')
    received.push(await full.next(), await full.next())
    expect(received.map((one) => one?.line.split(' ')[1])).toEqual(['_INBOX.mine.1', 'ask', 'ask'])
    expect(JSON.stringify(received)).not.toContain('tenants')
    const token = await sign({ sub: 'A', org: 'A', nats: { pub: { allow: ['unanswered'] } } })
    for (const path of ['/publish/orders.1', '/request/orders.1', '/request/unanswered', '/publish/a..b']) {
      const response = await post(bridge, path, token)
      expect(response.status).toBeGreaterThanOrEqual(400)
      expect(await response.text()).not.toContain('tenants')
    }
    for (const one of [a, full]) one.terminate()
  })

  it.each(['A.B', '*', '>', '', ' ', 'A B', 'A\r\nB', 'A\u0000', 'A\ud800', null, 0.5, {}, ['A'], true])(
    'rejects a tenant named %j',
    async (org) => {
      expect(await refusal(bridge, { auth_token: await sign({ sub: 'm', org, nats: everything }) })).toBeDefined()
    },
  )

  it.each(['$EDGE', '_INBOX', '$SYS', '$JS'])('rejects the prefix %s of a claim', async (org) => {
    const open = await bridges.serve({ auth: { secret: SECRET, subjectPrefix: '{{org}}' } })
    expect(await refusal(open, { auth_token: await sign({ sub: 'm', org, nats: everything }) })).toBeDefined()
  })

  /** The inbox of a tenant is also under its prefix. */
  async function tenantLines(client: RawClient): Promise<string[]> {
    await atNats.exchange()
    const marker = `done${crypto.randomUUID()}`
    client.send(`SUB ${marker} last\r\nPUB ${marker} 0\r\n\r\n`)
    const { lines } = await client.collect(`MSG ${marker} last`)
    return lines.map(({ line }) => line).filter((line) => !line.includes(marker))
  }
})

describe('origin spoof', () => {
  const allowed = 'https://app.example.com'
  let bridge: BridgeServer

  beforeAll(async () => {
    bridge = await bridges.serve({ auth: { secret: SECRET, cookie: 'session' }, origins: [allowed] })
  })

  const spoofs = [
    'https://evil.example',
    'null',
    'http://app.example.com',
    'https://app.example.com.evil.example',
    'https://app.example.com:444',
    'https://evil.example/https://app.example.com',
    'https://app.example.com@evil.example',
    'https://app.example.com, https://evil.example',
    'https://APP.example.com.',
    'file://',
  ]

  it('accepts the allowed origin', async () => {
    const client = await RawClient.open(socketUrl(bridge), [], allowed)
    expect((await client.info()).server_name).toBe('spanwire')
    client.terminate()
  })

  it.each(spoofs)('rejects an upgrade: %s', async (origin) => {
    await expect(RawClient.open(socketUrl(bridge), [], origin)).rejects.toThrow('403')
  })

  it('rejects an upgrade whose path looks like a host', async () => {
    const url = socketUrl(bridge).replace(/\/nats$/, '//evil.example/nats')
    await expect(RawClient.open(url, [], 'http://evil.example')).rejects.toThrow('403')
  })

  it.each(spoofs)('rejects requests with valid credentials: %s', async (Origin) => {
    const token = await sign({ sub: 'ada', nats: everything })
    for (const path of ['/publish/a', '/publish', '/request/a']) {
      const response = await post(bridge, path, token, { headers: { Origin, Cookie: `session=${token}` } })
      expect(response.status).toBe(403)
      expect(response.headers.get('Access-Control-Allow-Origin')).toBe(null)
    }
  })

  it('rejects a cookie without an Origin', async () => {
    const token = await sign({ sub: 'ada', nats: everything })
    const publish = (headers: HeadersInit) => fetch(`${bridge.url}/publish/a`, { method: 'POST', headers })
    expect((await publish({ Cookie: `session=${token}` })).status).toBe(401)
    expect((await publish({ Cookie: `session=${token}`, Origin: allowed })).status).toBe(202)
  })
})
