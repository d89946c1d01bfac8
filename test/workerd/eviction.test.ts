import { connect, type NatsConnection } from 'nats'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { RawClient } from '../conformance/edge-protocol/raw-client.ts'
import { eventually } from '../support/eventually.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { createToken, SECRET } from '../support/token.ts'
import { type RunningWorker, startWorker } from '../support/workerd.ts'

const HUB = 'hub-1'
const clients: RawClient[] = []
let server: NatsServer
let backend: NatsConnection
let worker: RunningWorker

beforeAll(async () => {
  server = await startNatsServer()
  backend = await connect({ servers: server.url })
  worker = await startWorker({ secret: SECRET, upstream: server.url, main: 'test/workerd/evictable.ts' })
}, 60_000)

afterEach(async () => {
  for (const client of clients.splice(0)) client.terminate()
  await eventually(async () => (await stored()).length === 0, { what: 'an empty storage' })
})

afterAll(async () => {
  await worker?.stop()
  await backend?.close()
  await server?.[Symbol.asyncDispose]()
})

async function opened(): Promise<RawClient> {
  const client = await RawClient.open(`${worker.url.replace('http', 'ws')}/nats`)
  clients.push(client)
  return client
}

async function connected(options: Record<string, unknown> = {}, expiresIn?: number): Promise<RawClient> {
  const token = await createToken({
    pub: { allow: ['up.>'] },
    subscribe: { allow: ['down.>'], deny: ['down.secret'] },
    ...(expiresIn !== undefined && { expiresIn }),
  })
  const client = await opened()
  await client.exchange(
    `CONNECT ${JSON.stringify({ auth_token: token, verbose: false, headers: true, no_responders: true, ...options })}\r\n`,
  )
  return client
}

/** A real eviction: the object is destroyed, and its sockets stay open. */
async function evict(): Promise<void> {
  await fetch(`${worker.url}/test/${HUB}/let-go`, { method: 'POST' })
  await worker.evict(HUB)
}

/** Resolves when the client has received the INFO of a new hub instance whose upstream is open. */
async function restored(client: RawClient): Promise<void> {
  const former = client.infos[0]?.server_id
  await client.infoWhere(
    (info) => info.server_id !== former && JSON.stringify(info.edge) === '{"upstream":"open"}',
    10_000,
  )
}

async function stored(): Promise<string[]> {
  return (await fetch(`${worker.url}/test/${HUB}/stored`)).json() as Promise<string[]>
}

describe('a hub that was evicted', () => {
  it('starts again without bytes from its clients, with their subscriptions', async () => {
    const [one, other] = [await connected(), await connected()]
    await one.exchange('SUB down.*.here 1\r\nSUB down.gone 2\r\nUNSUB 2\r\n')
    await other.exchange('SUB down.> 9\r\n')
    await evict()
    await Promise.all([restored(one), restored(other)])
    backend.publish('down.gone', 'no more')
    backend.publish('down.still.here', 'hello')
    expect(await one.next()).toEqual({ line: 'MSG down.still.here 1 5', payload: 'hello' })
    expect(await other.next()).toMatchObject({ line: 'MSG down.gone 9 7' })
    expect(await other.next()).toMatchObject({ line: 'MSG down.still.here 9 5' })
    for (const client of [one, other]) expect(client.ending).toBeUndefined()
  }, 30_000)

  it('reports to clients that its upstream closed and opened', async () => {
    const client = await connected()
    await evict()
    await restored(client)
    const told = client.infos.slice(1).map(({ edge }) => edge)
    expect(told).toEqual([{ upstream: 'reconnecting' }, { upstream: 'open' }])
  }, 30_000)

  it('starts at once when a client sends bytes, and responds', async () => {
    const client = await connected()
    await client.exchange('SUB down.a 1\r\n')
    await evict()
    const subscription = backend.subscribe('up.news')
    await backend.flush()
    await client.exchange('PUB up.news 2\r\nhi\r\n', 10_000)
    for await (const message of subscription) {
      expect(message.string()).toBe('hi')
      break
    }
  }, 30_000)

  it('keeps the permissions of its clients', async () => {
    const client = await connected()
    await client.exchange('SUB down.* 1\r\n')
    await evict()
    await restored(client)
    const { lines } = await client.exchange('PUB else.where 1\r\nx\r\nSUB up.> 2\r\n')
    expect(lines.map(({ line }) => line)).toEqual([
      `-ERR 'Permissions Violation for Publish to "else.where"'`,
      `-ERR 'Permissions Violation for Subscription to "up.>"'`,
    ])
    backend.publish('down.secret', 'withheld')
    backend.publish('down.open', 'x')
    expect(await client.next()).toMatchObject({ line: 'MSG down.open 1 1' })
  }, 30_000)

  it('closes a client whose token expires later', async () => {
    const client = await connected({}, 3)
    await evict()
    const { lines, ending } = await client.collect('nothing', 15_000)
    expect(lines).toEqual([{ line: "-ERR 'User Authentication Expired'" }])
    expect(ending?.code).toBe(1008)
  }, 30_000)

  it('continues to count towards the maximum of a subscription', async () => {
    const client = await connected()
    await client.exchange('SUB down.three 1\r\nUNSUB 1 3\r\n')
    backend.publish('down.three', '1')
    expect(await client.next()).toMatchObject({ payload: '1' })
    // The count is saved at the end of the turn, before this.
    await client.exchange()
    await evict()
    await restored(client)
    for (const payload of ['2', '3', '4']) backend.publish('down.three', payload)
    await backend.flush()
    expect(await client.next()).toMatchObject({ payload: '2' })
    expect(await client.next()).toMatchObject({ payload: '3' })
    expect(await client.exchange()).toEqual({ lines: [] })
  }, 30_000)

  it('keeps verbose, echo and queue groups', async () => {
    const [worker1, worker2] = [await connected({ verbose: true }), await connected()]
    await worker1.exchange('SUB down.jobs crew 1\r\n')
    await worker2.exchange('SUB down.jobs crew 1\r\n')
    await evict()
    await Promise.all([restored(worker1), restored(worker2)])
    for (let job = 0; job < 20; job++) backend.publish('down.jobs', String(job))
    await backend.flush()
    const [first, second] = await Promise.all([worker1.exchange(), worker2.exchange()])
    const jobs = [...first.lines, ...second.lines].map(({ payload }) => Number(payload))
    expect(jobs.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, job) => job))
    const acknowledged = await worker1.exchange('SUB down.more 2\r\n')
    expect(acknowledged.lines).toEqual([{ line: '+OK' }])
  }, 30_000)

  it('stores sessions that are too large for a socket, and deletes them with the socket', async () => {
    const client = await connected()
    const filters = Array.from({ length: 800 }, (_, index) => `down.${'x'.repeat(80)}.${index}`)
    await client.exchange(filters.map((filter, index) => `SUB ${filter} ${index}\r\n`).join(''))
    expect(await stored()).toHaveLength(1)
    await evict()
    await restored(client)
    const last = filters.at(-1) as string
    backend.publish(last, 'x')
    expect(await client.next()).toMatchObject({ line: `MSG ${last} 799 1` })
    client.close()
    await client.ended()
    await eventually(async () => (await stored()).length === 0, { what: 'an empty storage' })
  }, 30_000)

  it('closes clients that were not authenticated or in the middle of an operation, so that they reconnect', async () => {
    const [silent, halfway] = [await opened(), await connected()]
    await silent.info()
    halfway.send('PING\r\nPUB up.x 100\r\nonly the begin')
    expect(await halfway.next()).toEqual({ line: 'PONG' })
    await evict()
    for (const client of [silent, halfway]) expect((await client.ended(15_000)).code).toBe(1012)
  }, 30_000)

  it('survives repeated evictions', async () => {
    const client = await connected()
    await client.exchange('SUB down.again 1\r\n')
    for (let round = 0; round < 3; round++) {
      const heard = client.infos.length
      await evict()
      await client.infoWhere((info) => client.infos.indexOf(info) > heard, 10_000)
      backend.publish('down.again', String(round))
      expect(await client.next()).toMatchObject({ payload: String(round) })
    }
  }, 40_000)
})

describe('a hub without clients', () => {
  it('closes its connection to NATS', async () => {
    const client = await connected()
    const connections = async () => {
      const { num_connections } = (await (await fetch(`${server.monitorUrl}/connz`)).json()) as {
        num_connections: number
      }
      return num_connections
    }
    // Connections of the backend and the hub.
    expect(await connections()).toBe(2)
    client.close()
    await eventually(async () => (await connections()) === 1, { what: 'the end of the upstream' })
    const again = await connected()
    expect(await again.exchange('SUB down.x 1\r\n')).toEqual({ lines: [] })
  }, 30_000)
})
