import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BridgeServer } from '../../bridge/hosts/node.ts'
import { RawClient } from '../conformance/edge-protocol/raw-client.ts'
import { eventually } from '../support/eventually.ts'
import { coreOf } from '../support/hub-core.ts'
import { SECRET } from '../support/token.ts'
import { connected, everything, LiveBridges, post, sign, socketUrl } from './live-bridge.ts'

let bridges: LiveBridges
let bridge: BridgeServer
let token: string
beforeAll(async () => {
  bridges = await LiveBridges.start({ jetstream: true })
  bridge = await bridges.serve({ auth: { secret: SECRET }, limits: { connectTimeout: 1_000 } })
  token = await sign({ sub: 'mallory', nats: everything })
}, 60_000)
afterAll(() => bridges?.close())

const attacker = () => connected(bridge, { auth_token: token })

/** A client that sends `count` messages to itself, and expects all of them in order. */
async function undisturbed(count: number, neighbour: RawClient): Promise<void> {
  for (let i = 0; i < count; i++) {
    const payload = String(i)
    neighbour.send(`PUB quiet ${payload.length}\r\n${payload}\r\n`)
    expect(await neighbour.next()).toEqual({ line: `MSG quiet calm ${payload.length}`, payload })
  }
}

async function neighbourOf(): Promise<RawClient> {
  const neighbour = await connected(bridge, { auth_token: await sign({ sub: 'neighbour', nats: everything }) })
  await neighbour.exchange('SUB quiet calm\r\n')
  return neighbour
}

describe('CONNECT', () => {
  it('closes on a line that is too long or has no end', async () => {
    for (const line of [`CONNECT {"name":"${'x'.repeat(33_000)}"}\r\n`, `CONNECT {"name":"${'x'.repeat(33_000)}`]) {
      const client = await RawClient.open(socketUrl(bridge))
      client.send(line)
      expect((await client.ended()).code).toBe(1008)
    }
  })

  it('closes on a CONNECT that is slow or missing', async () => {
    const [slow, silent, neighbour] = [
      await RawClient.open(socketUrl(bridge)),
      await RawClient.open(socketUrl(bridge)),
      await neighbourOf(),
    ]
    const bytes = `CONNECT ${JSON.stringify({ auth_token: token })}`
    const drip = setInterval(() => slow.ending ?? slow.send(bytes[Math.floor(Math.random() * 8)] as string), 100)
    slow.send('CONNECT {"name":"')
    const endings = await Promise.all([slow.ended(), silent.ended()]).finally(() => clearInterval(drip))
    expect(endings.map(({ code, reason }) => `${code} ${reason}`)).toEqual(Array(2).fill('1008 Authentication Timeout'))
    await undisturbed(10, neighbour)
    neighbour.terminate()
  })
})

describe('10,000 SUBs by one client', () => {
  it('are limited, released at the end, and do not affect another client', async () => {
    const [client, neighbour] = [await attacker(), await neighbourOf()]
    const before = bridge.bridge.hub.stats.subscriptions
    const flood = client.exchange(Array.from({ length: 10_000 }, (_, i) => `SUB many.${i} ${i}\r\n`).join(''))
    await undisturbed(50, neighbour)
    const { lines } = await flood
    expect(lines.filter(({ line }) => line.includes('maximum subscriptions exceeded')).length).toBe(10_000 - 1_024)
    expect(bridge.bridge.hub.stats.subscriptions).toBe(before + 1_024)
    client.close()
    await client.ended()
    await neighbour.exchange()
    expect(bridge.bridge.hub.stats.subscriptions).toBe(before)
    neighbour.terminate()
  })
})

describe('publish flood', () => {
  it('is rejected, then closed, and does not affect another client', async () => {
    const [client, neighbour] = [await attacker(), await neighbourOf()]
    const flood = Buffer.from('PUB flood 8\r\nxxxxxxxx\r\n'.repeat(1_000))
    for (let i = 0; i < 50; i++) client.send(flood)
    await undisturbed(100, neighbour)
    expect(await client.ended()).toEqual({ code: 1008, reason: 'Publish Rate Exceeded' })
    neighbour.terminate()
  })
})

describe('a batch with subjects over the rate', () => {
  it('causes no stream lookup for them', async () => {
    const publishRate = { messages: 10, bytes: 1_000_000 }
    const limited = await bridges.serve({ auth: { secret: SECRET }, limits: { publishRate } })
    const atNats = await bridges.atNats()
    await atNats.exchange('SUB $JS.API.STREAM.NAMES 1\r\n')
    const body = Array.from({ length: 2_000 }, (_, i) => JSON.stringify({ subject: `many.${i}`, data: 1 })).join('\n')
    const answer = await (await post(limited, '/publish', token, { body })).text()
    const taken = answer.split('\n').filter((line) => line.includes('"ok":true')).length
    expect(taken).toBeGreaterThanOrEqual(10)
    expect((await atNats.exchange()).lines.length).toBeLessThanOrEqual(taken)
    atNats.terminate()
  })
})

describe('PONGs of a client that reads nothing', () => {
  it('do not prevent the close as a slow consumer', async () => {
    const limits = { maxPending: 1024 * 1024, maxPayload: 128 * 1024 }
    const small = await bridges.serve({ auth: { secret: SECRET }, limits })
    const { hub } = small.bridge
    const client = await connected(small, { auth_token: token })
    await client.exchange('SUB flood 1\r\n')
    client.pause()
    const payload = new Uint8Array(100_000)
    // Up to 50 MB, more than sockets hold.
    for (let i = 0; i < 500 && hub.stats.connections > 0; i++) {
      await coreOf(hub).upstream.confirm(coreOf(hub).publish({ subject: 'flood', payload }))
      client.send('PONG\r\n')
    }
    await eventually(() => hub.stats.closed.get('Slow Consumer') === 1, { what: 'its end' })
    client.terminate()
  }, 60_000)
})

describe('CRLF smuggling in HTTP publish headers', () => {
  const injected = 'x\r\nInjected: 1'

  it.each([
    ['name', [[injected, 'v']]],
    ['value', [['A', injected]]],
    ['value, LF alone', [['A', 'x\nInjected: 1']]],
    ['value, CR alone', [['A', 'x\rInjected: 1']]],
    ['name with a colon', [['A: x', 'v']]],
  ])('is rejected in Nats-Headers: %s', async (_, fields) => {
    const headers = { 'Nats-Headers': encodeURIComponent(JSON.stringify(fields)) }
    expect((await post(bridge, '/publish/a', token, { headers })).status).toBe(400)
    const body = JSON.stringify({ subject: 'a', headers: fields })
    expect(await (await post(bridge, '/publish', token, { body })).text()).toContain('invalid-header')
  })

  it.each(['a\r\n b', 'a\nInjected: 1', 'a\rInjected: 1', 'a\0b'])(
    'is rejected in Idempotency-Key: %j',
    async (key) => {
      const atNats = await bridges.atNats()
      await atNats.exchange('SUB smuggled 1\r\n')
      const request = `POST /publish/smuggled HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${token}\r\nContent-Length: 0\r\nIdempotency-Key: ${key}\r\n\r\n`
      const answer = await new Promise<string>((resolve, reject) => {
        let text = ''
        const socket = connect(bridge.port, '127.0.0.1', () => socket.write(request))
        socket.on('data', (chunk) => {
          text += chunk
        })
        socket.on('end', () => resolve(text))
        socket.on('error', reject)
      })
      const { lines } = await atNats.exchange()
      expect(lines.some(({ headers }) => headers?.includes('\r\nInjected'))).toBe(false)
      expect(answer).toMatch(/^HTTP\/1\.1 (202|400) /)
      atNats.terminate()
    },
  )
})
