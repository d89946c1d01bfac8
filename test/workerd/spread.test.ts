import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SseSocket } from '../../sdk/transport/sse/sse-socket.ts'
import { RawClient } from '../conformance/edge-protocol/raw-client.ts'
import { eventually } from '../support/eventually.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { rootToken, SECRET } from '../support/token.ts'
import { type RunningWorker, startWorker } from '../support/workerd.ts'

const MONITORING_KEY = 'a-key-to-look-at-it-of-32-characters'

let server: NatsServer
let worker: RunningWorker
let token: string
/** The hub that their key selects. */
let home: unknown

beforeAll(async () => {
  server = await startNatsServer()
  token = await rootToken()
  worker = await startWorker({
    secret: SECRET,
    upstream: server.url,
    vars: { HUBS: '3', CLIENTS_PER_HUB: '2', MONITORING_KEY, INSPECTOR: 'on' },
  })
}, 60_000)

afterAll(async () => {
  await worker?.stop()
  await server?.[Symbol.asyncDispose]()
})

/** Clients with the same key, as from behind one address. Their key alone would place all of them at one hub. */
async function connected(): Promise<RawClient> {
  const client = await RawClient.open(`${worker.url.replace('http', 'ws')}/nats?client=a`)
  await client.exchange(`CONNECT {"auth_token":"${token}","verbose":false,"headers":true}\r\n`)
  return client
}

const hubOf = (client: RawClient) => client.infos[0]?.server_id

/** Fills the hub of their key, after the clients of the previous test have left. The next client goes to another hub. */
async function fillTheirHub(): Promise<RawClient[]> {
  const clients: RawClient[] = []
  await eventually(
    async () => {
      const client = await connected()
      if (clients.length < 2 && hubOf(client) === home) return !clients.push(client)
      client.close()
      return clients.length === 2 && hubOf(client) !== home
    },
    { what: 'room for two' },
  )
  return clients
}

describe('a hub with enough clients', () => {
  it('sends new clients to the other hubs, and accepts them when those are as full', async () => {
    const clients: RawClient[] = []
    for (let i = 0; i < 8; i++) clients.push(await connected())
    const hubs = clients.map(hubOf)
    home = hubs[0]
    expect(hubs[0]).toBe(hubs[1])
    expect(hubs[2]).toBe(hubs[3])
    expect(hubs[4]).toBe(hubs[5])
    expect(new Set(hubs).size).toBe(3)
    expect([hubs[6], hubs[7]]).toEqual([hubs[0], hubs[0]])

    // Clients of different hubs receive each other's messages.
    for (const client of clients) await client.exchange('SUB chat 1\r\n')
    clients[5]?.send('PUB chat 2\r\nhi\r\n')
    for (const client of clients) expect(await client.next()).toMatchObject({ payload: 'hi' })

    // Places of disconnected clients are reused.
    for (const client of clients) client.close()
    for (const client of await fillTheirHub()) client.close()
  }, 30_000)

  it('receives the posts of a fallback session that another hub has, and forwards them', async () => {
    const full = await fillTheirHub()
    const socket = new SseSocket(`${worker.url.replace('http', 'ws')}/nats?client=a`)
    let heard = ''
    socket.onmessage = ({ data }) => {
      heard += new TextDecoder().decode(data)
    }
    const send = (text: string) => socket.send(new TextEncoder().encode(text))
    send(`CONNECT {"auth_token":"${token}","verbose":false}\r\nSUB tunnel 1\r\nPING\r\n`)
    await eventually(() => heard.includes('PONG'), { what: 'PONG' })
    const [, hub] = /"server_id":"([^"]+)"/.exec(heard) ?? []
    expect(hub).not.toBe(home)

    send('PUB tunnel 2\r\nhi\r\n')
    await eventually(() => heard.includes('MSG tunnel 1 2\r\nhi\r\n'), { what: 'the message' })
    socket.close()
    for (const client of full) client.close()
  }, 30_000)

  it('still accepts publishes by HTTP', async () => {
    const full = await fillTheirHub()
    const response = await fetch(`${worker.url}/publish/by.http?client=a`, {
      method: 'POST',
      body: 'hello',
      headers: { Authorization: `Bearer ${token}` },
    })
    expect(response.status).toBe(202)
    for (const client of full) client.close()
  })

  it('is monitored by its name, and is not woken if it has no clients', async () => {
    const clients = await fillTheirHub()
    const look = async (query: string, key = MONITORING_KEY) => {
      const response = await fetch(`${worker.url}/varz${query}`, { headers: { Authorization: `Bearer ${key}` } })
      return { status: response.status, body: (await response.json()) as Record<string, unknown> }
    }
    const hubs = await Promise.all(['hub-1', 'hub-2', 'hub-3'].map((name) => look(`?hub=${name}`)))
    const awake = hubs.filter(({ status }) => status === 200)
    expect(awake.find(({ body }) => body.server_id === home)?.body).toMatchObject({ connections: 2 })
    for (const { status, body } of hubs)
      if (status !== 200) expect([status, body.detail]).toEqual([503, 'This hub has no clients.'])
    expect((await look('')).status).toBe(400)
    expect((await look('?hub=hub-4')).status).toBe(400)
    const at = hubs.findIndex(({ body }) => body.server_id === home) + 1
    expect((await look(`?hub=hub-${at}`, 'another-key-of-at-least-32-characters')).status).toBe(401)
    // The inspector finds all hubs without a request to any.
    const hubz = (key: string) => fetch(`${worker.url}/hubz`, { headers: { Authorization: `Bearer ${key}` } })
    expect(await (await hubz(MONITORING_KEY)).json()).toEqual({
      hubs: ['hub-1', 'hub-2', 'hub-3'],
      admin: false,
      tail: true,
    })
    expect((await hubz('another-key-of-at-least-32-characters')).status).toBe(401)
    const inspect = async (path: string) => {
      const response = await fetch(`${worker.url}${path}`, { headers: { Authorization: `Bearer ${MONITORING_KEY}` } })
      return [response.status, (await response.json()) as { messages?: Array<{ subject: string }> }] as const
    }
    expect((await inspect(`/tailz?subject=seen&hub=hub-${at}`))[0]).toBe(200)
    clients[0]?.send('PUB seen 2\r\nhi\r\n')
    await eventually(
      async () => (await inspect(`/tailz?subject=seen&after=0&hub=hub-${at}`))[1].messages?.[0]?.subject === 'seen',
      { what: 'the message in the tail' },
    )
    const idle = hubs.findIndex(({ status }) => status === 503) + 1
    if (idle > 0) expect((await inspect(`/ratez?hub=hub-${idle}`))[0]).toBe(503)
    for (const client of clients) client.close()
  }, 30_000)
})
