import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { connect, type NatsConnection } from 'nats'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SseSocket } from '../../sdk/transport/sse/sse-socket.ts'
import { eventually } from '../support/eventually.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { rootToken, SECRET } from '../support/token.ts'
import { type RunningWorker, startWorker } from '../support/workerd.ts'

let server: NatsServer
let backend: NatsConnection
let worker: RunningWorker
let token: string

beforeAll(async () => {
  server = await startNatsServer({ jetstream: true })
  token = await rootToken()
  backend = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 })
  // Two hubs: posts must reach the hub that has the session.
  worker = await startWorker({
    secret: SECRET,
    upstream: server.url,
    vars: { HUBS: '2', ORIGINS: 'https://app.example' },
  })
}, 60_000)

afterAll(async () => {
  await worker?.stop()
  await backend?.close()
  await server?.[Symbol.asyncDispose]()
})

async function subscriptionsTo(filter: string): Promise<number> {
  const response = await fetch(`${server.monitorUrl}/subsz?subs=1&limit=10000`)
  const { subscriptions_list: list = [] } = (await response.json()) as {
    subscriptions_list?: Array<{ subject: string }>
  }
  return list.filter(({ subject }) => subject === filter).length
}

const utf8 = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

describe('the fallback', () => {
  function open() {
    const socket = new SseSocket(`${worker.url.replace('http', 'ws')}/nats`)
    let heard = ''
    let ending: number | undefined
    socket.onmessage = ({ data }) => {
      heard += utf8(new Uint8Array(data))
    }
    socket.onclose = ({ code }) => {
      ending = code
    }
    return {
      socket,
      send: (text: string) => socket.send(new TextEncoder().encode(text)),
      hears: (text: string) => eventually(() => heard.includes(text), { what: `${text} in ${heard}` }),
      ended: () => eventually(() => ending, { what: 'the end' }),
    }
  }

  it('carries messages in both directions', async () => {
    const client = open()
    client.send(`CONNECT {"auth_token":"${token}","verbose":false,"headers":true}\r\nSUB tunnel.a 1\r\nPING\r\n`)
    await client.hears('PONG\r\n')
    backend.publish('tunnel.a', 'from the backend')
    await client.hears('MSG tunnel.a 1 16\r\nfrom the backend\r\n')
    client.send('PUB tunnel.a 2\r\nhi\r\n')
    await client.hears('MSG tunnel.a 1 2\r\nhi\r\n')
    client.socket.close()
  })

  it('ends its interest when the client disconnects', async () => {
    const client = open()
    client.send(`CONNECT {"auth_token":"${token}","verbose":false}\r\nSUB tunnel.gone 1\r\nPING\r\n`)
    await client.hears('PONG\r\n')
    expect(await subscriptionsTo('tunnel.gone')).toBe(1)
    client.socket.close()
    await eventually(async () => (await subscriptionsTo('tunnel.gone')) === 0, {
      what: 'the end of the interest',
      deadline: 20_000,
    })
  }, 30_000)

  it('ends when the hub ends the session', async () => {
    const client = open()
    client.send(`CONNECT {"auth_token":"nonsense"}\r\n`)
    await client.hears("-ERR 'Authorization Violation'")
    await client.ended()
  })

  it('accepts no input without the key of its reader', async () => {
    const stray = await fetch(`${worker.url}/nats/stream`, {
      method: 'POST',
      headers: { 'Spanwire-Tunnel': `${'a'.repeat(64)} 1` },
      body: 'PING\r\n',
    })
    expect(stray.status).toBe(404)
  })

  it('does not let clients choose the key of a session', async () => {
    const own = 'a'.repeat(64)
    const socket = connectTcp(Number(new URL(worker.url).port), '127.0.0.1')
    socket.end(
      `GET /nats/stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSpanwire-Tunnel: ${own}\r\n\r\n`,
    )
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString()).not.toMatch(/^HTTP\/1.1 101/)
    socket.destroy()
  })

  it('is available only to pages of named origins', async () => {
    const ask = (origin: string, init: RequestInit = {}) =>
      fetch(`${worker.url}/nats/stream`, { ...init, headers: { Origin: origin, ...init.headers } })
    expect((await ask('https://evil.example')).status).toBe(403)
    const preflight = await ask('https://app.example', {
      method: 'OPTIONS',
      headers: { 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'spanwire-tunnel' },
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('Access-Control-Allow-Headers')?.toLowerCase()).toContain('spanwire-tunnel')
  })
})
