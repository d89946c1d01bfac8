import { connect, type NatsConnection } from 'nats'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RawClient } from '../conformance/edge-protocol/raw-client.ts'
import { eventually } from '../support/eventually.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { rootToken, SECRET } from '../support/token.ts'
import { type RunningWorker, startWorker } from '../support/workerd.ts'

let server: NatsServer
let backend: NatsConnection
let worker: RunningWorker
let token: string

beforeAll(async () => {
  server = await startNatsServer()
  token = await rootToken()
  backend = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 })
  worker = await startWorker({ secret: SECRET, upstream: server.url, vars: { HUBS: '4' } })
}, 60_000)

afterAll(async () => {
  await worker?.stop()
  await backend?.close()
  await server?.[Symbol.asyncDispose]()
})

/** The query parameter `client` selects the hub. These two select different hubs. */
const [here, there] = ['a', 'c']

async function connected(client = here): Promise<RawClient> {
  const socket = await RawClient.open(`${worker.url.replace('http', 'ws')}/nats?client=${client}`)
  await socket.exchange(`CONNECT {"auth_token":"${token}","verbose":false,"headers":true,"no_responders":true}\r\n`)
  return socket
}

describe('a Worker in front of nats-server', () => {
  it('delivers publishes of a backend to clients, and publishes of clients to the backend', async () => {
    const client = await connected()
    await client.exchange('SUB orders.*.created 1\r\n')
    backend.publish('orders.42.created', 'from the backend')
    expect(await client.next()).toEqual({ line: 'MSG orders.42.created 1 16', payload: 'from the backend' })

    const subscription = backend.subscribe('carts.>')
    await backend.flush()
    client.send('HPUB carts.7 20 22\r\nNATS/1.0\r\nA: b c\r\n\r\nhi\r\n')
    for await (const message of subscription) {
      expect([message.string(), message.headers?.get('A')]).toEqual(['hi', 'b c'])
      break
    }
    client.close()
  })

  it('carries requests in both directions', async () => {
    const responder = backend.subscribe('quotes.get', {
      callback: (_, message) => message.respond(`quote of ${message.string()}`),
    })
    await backend.flush()
    const client = await connected()
    await client.exchange('SUB _INBOX.k3f9.* 1\r\n')
    client.send('PUB quotes.get _INBOX.k3f9.1 3\r\nABC\r\n')
    expect(await client.next()).toEqual({ line: 'MSG _INBOX.k3f9.1 1 12', payload: 'quote of ABC' })
    client.send('PUB quotes.none _INBOX.k3f9.2 3\r\nABC\r\n')
    expect(await client.next()).toMatchObject({ headers: expect.stringContaining('NATS/1.0 503') })
    responder.unsubscribe()

    await client.exchange('SUB prices.get 2\r\n')
    const answer = backend.request('prices.get', 'XYZ')
    const reply = (await client.next())?.line.split(' ')[3]
    client.send(`PUB ${reply} 2\r\n17\r\n`)
    expect((await answer).string()).toBe('17')
    client.close()
  })

  it('publishes by HTTP, and dials NATS for it', async () => {
    const subscription = backend.subscribe('by.http')
    await backend.flush()
    const response = await fetch(`${worker.url}/publish/by.http?client=alone`, {
      method: 'POST',
      body: 'hello',
      headers: { Authorization: `Bearer ${token}` },
    })
    expect(response.status).toBe(202)
    for await (const message of subscription) {
      expect(message.string()).toBe('hello')
      break
    }
  })

  it('shares events between hubs', async () => {
    const [one, other] = [await connected(here), await connected(there)]
    expect(one.infos[0]?.server_id).not.toBe(other.infos[0]?.server_id)
    await Promise.all([one.exchange('SUB chat.* 1\r\n'), other.exchange('SUB chat.* 1\r\n')])
    one.send('PUB chat.room 2\r\nhi\r\n')
    for (const client of [one, other]) expect(await client.next()).toEqual({ line: 'MSG chat.room 1 2', payload: 'hi' })
    one.close()
    other.close()
  })

  it('has one subscription at NATS for a filter of many clients', async () => {
    const clients = await Promise.all(Array.from({ length: 20 }, () => connected()))
    await Promise.all(clients.map((client) => client.exchange('SUB shared.filter 1\r\n')))
    expect(await subscriptionsTo('shared.filter')).toBe(1)
    backend.publish('shared.filter', 'x')
    for (const client of clients) expect(await client.next()).toMatchObject({ line: 'MSG shared.filter 1 1' })
    for (const client of clients) client.close()
    await eventually(async () => (await subscriptionsTo('shared.filter')) === 0, { what: 'the end of the interest' })
  })
})

describe('an outage of NATS', () => {
  it('keeps clients connected, is reported to them, and their subscriptions are live again afterwards', async () => {
    const client = await connected()
    await client.exchange('SUB after.the.storm 1\r\n')
    await server.stop()
    await client.infoWhere((info) => JSON.stringify(info.edge).includes('reconnecting'), 10_000)
    const health = await fetch(`${worker.url}/healthz?client=${here}`)
    expect(health.status).toBe(503)
    const told = client.infos.length

    await server.restart()
    await client.infoWhere(
      (info) => client.infos.indexOf(info) >= told && JSON.stringify(info.edge).includes('open'),
      20_000,
    )
    // `open` means that the subscription is live again.
    await eventually(() => !backend.isClosed() && backend.flush().then(() => true), { what: 'the backend' })
    backend.publish('after.the.storm', 'still here')
    expect(await client.next()).toMatchObject({ payload: 'still here' })
    expect(client.ending).toBeUndefined()
    client.close()
  }, 40_000)
})

async function subscriptionsTo(filter: string): Promise<number> {
  const response = await fetch(`${server.monitorUrl}/subsz?subs=1&limit=10000`)
  const { subscriptions_list: list = [] } = (await response.json()) as {
    subscriptions_list?: Array<{ subject: string }>
  }
  return list.filter(({ subject }) => subject === filter).length
}
