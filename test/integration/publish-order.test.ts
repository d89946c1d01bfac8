import { connect as dial, type NatsConnection } from 'nats'
import { afterAll, beforeAll, expect, it } from 'vitest'
import * as z from 'zod'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { connect, defineEvents, type Transport, webSocket } from '../../sdk/index.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import { eventually } from '../support/eventually.ts'
import { type NatsCluster, startNatsCluster } from '../support/nats-cluster.ts'
import { rootToken, SECRET } from '../support/token.ts'

const events = defineEvents({ 'orders.{id}.{verb}': z.object({ n: z.number() }) }, { stream: 'ORDERS' })
/** Time between two publishes, in ms. */
const EVERY = 2

let cluster: NatsCluster
let admin: NatsConnection
let bridge: BridgeServer
let token: string

beforeAll(async () => {
  cluster = await startNatsCluster()
  admin = await dial({ servers: cluster.url.split(','), maxReconnectAttempts: -1 })
  bridge = await serve({ upstream: cluster.url, auth: { secret: SECRET } })
  token = await rootToken()
  await eventually(
    async () => {
      const { streams } = await admin.jetstreamManager()
      return streams.add({ name: 'ORDERS', subjects: ['orders.>'], num_replicas: 3 })
    },
    { deadline: 30_000 },
  )
})
afterAll(async () => {
  await bridge?.close()
  await admin?.close()
  await cluster?.[Symbol.asyncDispose]()
})

async function stepDown(): Promise<void> {
  const before = await cluster.leaderOf('ORDERS')
  await admin.request('$JS.API.STREAM.LEADER.STEPDOWN.ORDERS', '', { timeout: 5_000 })
  await eventually(
    async () => {
      const leader = await cluster.leaderOf('ORDERS')
      return leader && leader !== before
    },
    { deadline: 30_000 },
  )
}

/** Ends the process of the leader, and starts it again after the election. */
async function crash(): Promise<void> {
  const leader = await eventually(() => cluster.leaderOf('ORDERS'))
  await cluster.stop(leader)
  await eventually(
    async () => {
      const next = await cluster.leaderOf('ORDERS')
      return next && next !== leader
    },
    { deadline: 30_000 },
  )
  await leader.restart()
}

/** The number of each stored event, by its route. */
async function storedNumbers(): Promise<Record<string, number[]>> {
  const stored: Record<string, number[]> = {}
  await using reader = connect({ events, transport: nats({ url: await bystander() }) })
  const { streams } = await admin.jetstreamManager()
  const { last_seq } = (await streams.info('ORDERS')).state
  for await (const { params, data, seq = 0 } of reader.subscribe('orders.{id}.{verb}', {}, { from: 'all' })) {
    const numbers = stored[params.id] ?? []
    numbers.push(data.n)
    stored[params.id] = numbers
    if (seq >= last_seq) return stored
  }
  return stored
}

/** The address of a node that is not the leader. A publisher there loses the leader, but not its connection. */
async function bystander(): Promise<string> {
  const leader = await eventually(() => cluster.leaderOf('ORDERS'))
  return cluster.nodes.find((node) => node !== leader)?.url ?? ''
}

it('events published without awaiting are stored once, and in order but for those in flight, while the leader steps down and crashes', async () => {
  const routes: Record<string, Transport> = {
    bridge: webSocket({ url: bridge.url, token }),
    tcp: nats({ url: await bystander() }),
  }
  const acks: Record<string, Array<Promise<unknown>>> = {}
  const ends: Array<() => void> = []
  await using buses = new AsyncDisposableStack()
  for (const [id, transport] of Object.entries(routes)) {
    const bus = buses.use(connect({ events, transport }))
    const mine: Array<Promise<unknown>> = []
    acks[id] = mine
    const publish = () => {
      const n = mine.length
      // Different subjects of one stream keep their order.
      mine.push(bus.publish('orders.{id}.{verb}', { id, verb: n % 2 ? 'paid' : 'created' }, { n }))
    }
    publish()
    await mine[0]
    const timer = setInterval(publish, EVERY)
    ends.push(() => clearInterval(timer))
  }
  try {
    await stepDown()
    await crash()
  } finally {
    for (const end of ends) end()
  }
  await Promise.all(Object.values(acks).flat())
  const stored = await storedNumbers()
  for (const id of Object.keys(routes)) {
    const published = Array.from({ length: acks[id]?.length ?? 0 }, (_, n) => n)
    const overtaken = stored[id]?.filter((n, index, all) => n < (all[index - 1] ?? -1)).length
    console.log(id, { published: published.length, overtaken })
    expect(published.length).toBeGreaterThan(500)
    const distinct = new Set(stored[id]).size
    expect([stored[id]?.length, distinct]).toEqual([published.length, published.length])
    // Events that were in flight when a failure began may be overtaken. Without the order, half of all events were.
    expect(overtaken).toBeLessThan(published.length / 20)
  }
}, 120_000)
