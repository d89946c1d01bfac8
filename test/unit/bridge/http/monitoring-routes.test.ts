import { beforeEach, describe, expect, it } from 'vitest'
import { createEmbeddedUpstream } from '../../../../bridge/broker/embedded.ts'
import { bridgeFor, ScriptedClient, SECRET, sign } from '../session/scripted-client.ts'

const KEY = 'a-key-to-look-at-it-of-32-characters'
const nats = { sub: { allow: ['>'] }, pub: { allow: ['>'] } }

let bridge: ReturnType<typeof bridgeFor>['bridge']
const request = (path: string, key = KEY) => bridge.app.request(path, { headers: { Authorization: `Bearer ${key}` } })
const json = async (path: string) => (await (await request(path)).json()) as Record<string, unknown>

async function connected(user: string, more: Record<string, unknown> = {}): Promise<ScriptedClient> {
  return ScriptedClient.connected(bridge, { auth_token: await sign({ sub: user, nats }), ...more })
}

beforeEach(() => {
  bridge = bridgeFor({ auth: { secret: SECRET }, monitoring: { key: KEY } }).bridge
})

it('is disabled without a key, requires the key, and rejects a short one', async () => {
  for (const path of ['/varz', '/connz', '/subsz', '/metrics']) {
    expect((await bridge.app.request(path)).status).toBe(401)
    expect((await request(path, `${KEY.slice(0, -1)}x`)).status).toBe(401)
    expect((await bridgeFor().bridge.app.request(path)).status).toBe(404)
    expect((await request(path)).status).toBe(200)
  }
  expect(() => bridgeFor({ monitoring: { key: 'short' } })).toThrow('monitoring.key needs at least 32')
})

it('/varz counts all traffic, including that of clients that left', async () => {
  const [ada, bob] = [await connected('ada'), await connected('bob')]
  ada.send('SUB a.> 1\r\nSUB a.* 2\r\n')
  bob.send('SUB a.b 1\r\n')
  await ada.turn()
  bob.send('PUB a.b 5\r\nhello\r\nPUB a.c 2\r\nyo\r\nPING\r\n')
  await bob.until('PONG\r\n')
  const before = await json('/varz')
  // Two subscriptions of Ada for each message, and one of Bob for the first.
  expect(before).toMatchObject({ connections: 2, total_connections: 2, subscriptions: 3 })
  expect(before).toMatchObject({ in_msgs: 2, in_bytes: 7, out_msgs: 5 })
  expect(before.edge).toMatchObject({ upstream: 'open', upstream_subscriptions: 3, closed: {} })
  ada.connection.closed()
  const after = await json('/varz')
  expect(after).toMatchObject({ connections: 1, total_connections: 2, subscriptions: 1, out_msgs: 5 })
  expect(after.out_bytes).toBe(before.out_bytes)
})

it('/varz counts closes by reason', async () => {
  const client = new ScriptedClient(bridge)
  client.send('CONNECT {"auth_token":"nonsense"}\r\n')
  await client.until('Authorization')
  expect((await json('/varz')).edge).toMatchObject({ closed: { 'Authorization Violation': 1 } })
  const metrics = await (await request('/metrics')).text()
  expect(metrics).toContain('spanwire_closed_connections_total{reason="Authorization Violation"} 1\n')
})

describe('/connz', () => {
  it('lists connections and subscriptions in pages, also of one user', async () => {
    const ada = await connected('ada', { name: 'dashboard', lang: 'spanwire', version: '0.1.0' })
    await connected('bob')
    ada.send('SUB a.> 1\r\nSUB $EDGE.CONFLATE.b 2\r\nPUB a.b 5\r\nhello\r\nPING\r\n')
    await ada.until('PONG\r\n')
    const all = await json('/connz')
    expect(all).toMatchObject({ num_connections: 2, total: 2, offset: 0, limit: 1024 })
    const [first] = (await json('/connz?user=ada&subs=1')).connections as [Record<string, unknown>]
    expect(first).toMatchObject({ cid: 1, name: 'dashboard', lang: 'spanwire', version: '0.1.0' })
    expect(first).toMatchObject({ authorized_user: 'ada', subscriptions: 2, in_msgs: 1, in_bytes: 5, out_msgs: 1 })
    expect(first.subscriptions_list).toEqual(['a.>', '$EDGE.CONFLATE.b'])
    expect(new Date(first.start as string).getTime()).toBe(1_800_000_000_000)
    const page = await json('/connz?offset=1&limit=5')
    expect(page).toMatchObject({ num_connections: 1, total: 2, offset: 1, limit: 5 })
    expect(page.connections).toMatchObject([{ authorized_user: 'bob' }])
    expect((await request('/connz?limit=many')).status).toBe(400)
  })

  it('lists the connection ids of administrative commands', async () => {
    const admin = 'an-administrators-key-of-32-bytes'
    const upstream = createEmbeddedUpstream()
    const options = { auth: { secret: SECRET }, monitoring: { key: KEY }, admin: { key: admin }, upstream }
    bridge = bridgeFor(options).bridge
    const ada = await connected('ada')
    const [first] = (await json('/connz')).connections as [{ id: string }]
    await bridge.app.request('/admin/disconnect', {
      method: 'POST',
      headers: { Authorization: `Bearer ${admin}` },
      body: JSON.stringify({ connection: first.id }),
    })
    await ada.until('Revoked')
    expect(ada.closes).toMatchObject([{ reason: 'User Authentication Revoked' }])
  })

  it('shows no token, truncates names, and keeps statistics after a restart of the hub', async () => {
    const token = await sign({ sub: 'ada', nats })
    const ada = await ScriptedClient.connected(bridge, { auth_token: token, name: 'n'.repeat(1_000) })
    await ada.turn()
    const next = bridgeFor({ auth: { secret: SECRET }, monitoring: { key: KEY } })
    bridge = next.bridge
    new ScriptedClient(bridge, ada.snapshots.at(-1))
    const text = await (await request('/connz?subs=1')).text()
    expect(text).toContain(`"name":"${'n'.repeat(64)}"`)
    expect(text).not.toContain(token)
  })
})

it('/subsz lists shared subscriptions', async () => {
  const clients = [await connected('ada'), await connected('bob')]
  for (const client of clients) client.send('SUB a.> 1\r\nSUB jobs workers 2\r\n')
  await clients[0]?.turn()
  expect(await json('/subsz')).toMatchObject({ num_subscriptions: 4, num_upstream: 2 })
  expect((await json('/subsz?subs=1')).subscriptions_list).toEqual([
    { subject: 'a.>', clients: 2 },
    { subject: 'jobs', queue_name: 'workers', clients: 2 },
  ])
})

it('/metrics has the format of Prometheus', async () => {
  await connected('ada')
  const response = await request('/metrics')
  expect(response.headers.get('Content-Type')).toBe('text/plain; version=0.0.4')
  const lines = (await response.text()).trimEnd().split('\n')
  const typed = new Map<string, string>()
  for (const line of lines) {
    const [, name, type] = /^# TYPE (\w+) (gauge|counter)$/.exec(line) ?? []
    if (name) typed.set(name, type as string)
    if (line.startsWith('#')) continue
    const [, sample = '', value] = /^(\w+)(?:\{\w+="[^"]*"(?:,\w+="[^"]*")*\})? (\d+)$/.exec(line) ?? []
    expect(Number.isSafeInteger(Number(value)), line).toBe(true)
    expect(typed.get(sample), line).toBe(sample.endsWith('_total') ? 'counter' : 'gauge')
  }
  expect(lines).toContain('spanwire_connections 1')
  expect(lines).toContain('spanwire_upstream_open 1')
})

it('/metrics has refusals by code, and the lag of durable consumers', async () => {
  const client = new ScriptedClient(bridge)
  client.send('CONNECT {"auth_token":"nonsense"}\r\n')
  await client.until('Authorization')
  expect((await request('/varz', `${KEY}x`)).status).toBe(401)
  const ada = await connected('ada')
  const ask = (action: string, body: object) => {
    const text = JSON.stringify(body)
    ada.send(`PUB $JS.API.${action} _INBOX.a ${text.length}\r\n${text}\r\nPING\r\n`)
    return ada.until('PONG\r\n')
  }
  await ask('STREAM.CREATE.ORDERS', { name: 'ORDERS', subjects: ['orders.>'] })
  const config = { durable_name: 'billing', ack_policy: 'explicit' }
  await ask('CONSUMER.DURABLE.CREATE.ORDERS.billing', { stream_name: 'ORDERS', config })
  await ask('CONSUMER.CREATE.ORDERS', { stream_name: 'ORDERS', config: { ack_policy: 'explicit' } })
  ada.send('PUB orders.1 2\r\n{}\r\nPING\r\n')
  await ada.until('PONG\r\n')
  const lines = (await (await request('/metrics')).text()).split('\n')
  expect(lines).toContain('spanwire_refused_total{what="credentials",code="authentication-failed"} 1')
  expect(lines).toContain('spanwire_refused_total{what="request",code="authentication-failed"} 1')
  expect(lines).toContain('spanwire_stream_messages{stream="ORDERS"} 1')
  expect(lines.filter((line) => line.startsWith('spanwire_consumer_lag'))).toEqual([
    'spanwire_consumer_lag{stream="ORDERS",consumer="billing"} 1',
  ])
})
