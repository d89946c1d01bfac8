/** Attacks on the routes with Server-Sent Events: tokens in URLs, and the tunnel's key. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BridgeServer } from '../../bridge/hosts/node.ts'
import { eventually } from '../support/eventually.ts'
import { coreOf } from '../support/hub-core.ts'
import { SseReader } from '../support/sse-reader.ts'
import { SECRET } from '../support/token.ts'
import { connected, everything, LiveBridges, sign } from './live-bridge.ts'

let bridges: LiveBridges
let bridge: BridgeServer
const readers: SseReader[] = []

beforeAll(async () => {
  bridges = await LiveBridges.start()
  bridge = await bridges.serve({ auth: { secret: SECRET }, limits: { maxConnections: 20, connectTimeout: 60_000 } })
})
afterAll(async () => {
  await Promise.all(readers.map((reader) => reader.cancel()))
  await bridges.close()
})

const token = (seconds: number, more: object = {}) =>
  sign({ sub: 'ada', nats: everything, exp: Math.floor(Date.now() / 1000) + seconds, ...more })
const status = async (path: string, init: RequestInit = {}) => {
  const response = await fetch(bridge.url + path, init)
  await response.body?.cancel()
  return response.status
}

describe('a token in a URL', () => {
  it.each([
    ['that is valid for an hour', () => token(3_600)],
    ['that never expires', () => sign({ sub: 'ada', nats: everything, exp: undefined })],
    ['that is not a JWT', async () => 'nonsense'],
    ['that is expired', () => token(-60)],
    [
      'that is signed with another secret',
      () => sign({ sub: 'ada', exp: 1 }, new TextEncoder().encode('x'.repeat(32))),
    ],
  ])('is rejected and not shown: %s', async (_, make) => {
    const secret = await make()
    const response = await fetch(`${bridge.url}/events?subject=a&token=${secret}`)
    expect(response.status).toBe(401)
    expect(await response.text()).not.toContain(secret)
  })

  it('is accepted on /events only, if it is valid and short-lived', async () => {
    const good = await token(60)
    expect(await status(`/events?subject=a&token=${good}`)).not.toBe(401)
    for (const path of ['/publish/a', '/publish', '/request/a'])
      expect(await status(`${path}?token=${good}`, { method: 'POST', body: 'x' })).toBe(401)
    expect(await status(`/history/a?token=${good}`)).toBe(401)
  })
})

describe('the tunnel', () => {
  async function open(): Promise<{ reader: SseReader; key: string }> {
    const reader = new SseReader(await fetch(`${bridge.url}/nats/stream`))
    readers.push(reader)
    return { reader, key: (JSON.parse((await reader.next()).data) as { key: string }).key }
  }
  const post = (key: string, number: number | string, body: string) =>
    status('/nats/stream', { method: 'POST', body, headers: { 'Spanwire-Tunnel': `${key} ${number}` } })

  it('has a random key of 256 bits, and rejects other keys', async () => {
    const [one, other] = [await open(), await open()]
    // The id of the hub, which is also in INFO, and the secret.
    expect(one.key).toMatch(/^[0-9a-f-]{36}\.[0-9a-f]{64}$/)
    expect(one.key).not.toBe(other.key)
    const near = one.key.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'))
    expect(await post(near, 1, 'PING\r\n')).toBe(404)
    for (const bad of ['', 'x', one.key.slice(1), `${one.key}0`, one.key.toUpperCase()])
      expect([400, 404]).toContain(await post(bad, 1, 'PING\r\n'))
    for (const number of ['', '0', '-1', '1.5', '1e3', '9'.repeat(20)])
      expect(await post(one.key, number, 'PING\r\n')).toBe(400)
    await Promise.all([one.reader.cancel(), other.reader.cancel()])
  })

  it('takes POSTs by way of another bridge, only with its key, and not from clients over NATS', async () => {
    const other = await bridges.serve({ auth: { secret: SECRET } })
    const { reader, key } = await open()
    const forward = async (as: string, body: string) => {
      const headers = { 'Spanwire-Tunnel': `${as} 1` }
      return (await fetch(`${other.url}/nats/stream`, { method: 'POST', body, headers })).status
    }
    const [hub = '', secret = ''] = key.split('.')
    const atNats = await bridges.atNats()
    await atNats.exchange('SUB forwarded 1\r\n')
    const evil = `CONNECT {"auth_token":"${await token(60)}","verbose":false}\r\nPUB forwarded 4\r\nevil\r\n`
    expect(await forward(`${hub}.${'0'.repeat(64)}`, evil)).toBe(404)
    expect(await forward(`${crypto.randomUUID()}.${secret}`, evil)).toBe(404)
    const client = await connected(other, { auth_token: await token(60) })
    for (const kind of ['TUNNEL', '*', 'METRICS']) {
      const subject = `$EDGE.HUB.${hub}.${kind}`
      const { lines } = await client.exchange(`PUB ${subject} 1\r\nx\r\nSUB ${subject} 1\r\n`)
      expect(lines.map(({ line }) => line)).toEqual([
        `-ERR 'Permissions Violation for Publish to "${subject}"'`,
        `-ERR 'Permissions Violation for Subscription to "${subject}"'`,
      ])
    }
    expect(await forward(key, evil.replace('evil', 'good'))).toBe(204)
    expect((await atNats.next())?.payload).toBe('good')
    client.terminate()
    atNats.terminate()
    await reader.cancel()
  })

  it('processes a POST once and in order', async () => {
    const { reader, key } = await open()
    const atNats = await bridges.atNats()
    await atNats.exchange('SUB once 1\r\n')
    const connect = `CONNECT {"auth_token":"${await token(60)}","verbose":false}\r\nPUB once 1\r\n`
    expect(await post(key, 1, `${connect}1\r\n`)).toBe(204)
    expect(await post(key, 1, `${connect}1\r\n`)).toBe(204)
    expect(await post(key, 3, 'PUB once 1\r\n3\r\n')).toBe(404)
    expect(await post(key, 2, 'PUB once 1\r\n2\r\n')).toBe(204)
    expect([(await atNats.next())?.payload, (await atNats.next())?.payload]).toEqual(['1', '2'])
    await reader.cancel()
    atNats.terminate()
  })

  it('ends with its event stream, and so does its key', async () => {
    const { reader, key } = await open()
    await reader.cancel()
    await eventually(async () => (await post(key, 1, 'PING\r\n')) === 404, { what: 'the end of the key' })
    await eventually(() => bridge.bridge.hub.stats.connections === 0, { what: 'the end of the session' })
  })

  it('buffers a limited amount for a client that sends PONGs without reading', async () => {
    const { hub } = bridge.bridge
    const { reader, key } = await open()
    const connect = `CONNECT {"auth_token":"${await token(60)}","verbose":false}\r\nSUB flood 1\r\n`
    let answer = await post(key, 1, connect)
    expect(answer).toBe(204)
    const payload = new Uint8Array(500_000)
    // Up to 75 MB, more than the buffer and sockets hold.
    for (let number = 2; number < 150 && answer === 204; number++) {
      await coreOf(hub).upstream.confirm(coreOf(hub).publish({ subject: 'flood', payload }))
      answer = await post(key, number, 'PONG\r\nPONG\r\n')
    }
    expect(answer).toBe(404)
    await eventually(() => hub.stats.connections === 0, { what: 'the end of the session' })
    await reader.cancel()
  }, 60_000)

  it('counts as a connection for the limit', async () => {
    const tunnels = []
    for (let count = 0; count < 20; count++) tunnels.push(await open())
    const { reader } = await open()
    const [, refusal] = (await reader.rest()).map(({ data }) => atob(data))
    expect(refusal).toContain('maximum connections exceeded')
    expect(bridge.bridge.hub.stats.connections).toBe(20)
    await Promise.all(tunnels.map((tunnel) => tunnel.reader.cancel()))
    await eventually(() => bridge.bridge.hub.stats.connections === 0, { what: 'the end of all' })
  })
})
