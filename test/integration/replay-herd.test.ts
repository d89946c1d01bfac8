import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { freePort } from '../../demo/setup/free-port.ts'
import { connect, defineEvents, event } from '../../sdk/index.ts'
import { ensureStreams } from '../../sdk/streams/index.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import type { Transport } from '../../sdk/transport/transport.ts'
import { eventually } from '../support/eventually.ts'
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { rootToken, SECRET } from '../support/token.ts'

const CLIENTS = 1_000
/** Connections of the clients after one loss. A dial that was given up early is one more, and was made 5 times by each. */
const DIALS = 1.5 * CLIENTS
/** Largest number of JetStream API requests for all clients together. One per client would be a thousand. */
const HANDFUL = 20

const events = defineEvents({ 'orders.{id}': event(z.object({ n: z.number() }), { stream: 'ORDERS' }) })

let broker: NatsServer
let port: number
let server: BridgeServer
let proxy: FaultProxy
let service: Transport

const start = async () => {
  const limits = { maxConnectionsPerUser: 2 * CLIENTS }
  server = await serve({ port, upstream: broker.url, auth: { secret: SECRET }, limits })
  await server.bridge.hub.opened
}

beforeAll(async () => {
  broker = await startNatsServer({ jetstream: true })
  port = await freePort()
  await start()
  proxy = await startFaultProxy(port)
  service = nats({ url: broker.url })
  await ensureStreams(events, service)
})
afterAll(async () => {
  await service.close()
  await proxy.close()
  await server.close()
  await broker[Symbol.asyncDispose]()
})

const apiRequests = async () => {
  const { api } = await (await fetch(`${broker.monitorUrl}/jsz`)).json()
  return api.total as number
}

describe(`${CLIENTS} clients that come back at once`, () => {
  it('are served from memory, with few JetStream requests and every event once', async () => {
    const publisher = connect({ transport: service, events })
    let published = 0
    const publish = async (count: number) => {
      for (let i = 0; i < count; i++)
        await publisher.publish('orders.{id}', { id: `${published % 3}` }, { n: ++published })
    }
    await publish(30)
    const token = await rootToken()
    const received: number[][] = []
    const buses = Array.from({ length: CLIENTS }, () => {
      const bus = connect({
        url: `http://127.0.0.1:${proxy.port}`,
        token,
        events,
        connectTimeout: 60_000,
        backoff: { first: 50, longest: 500 },
      })
      const seqs: number[] = []
      received.push(seqs)
      bus.on('orders.{id}', (e) => seqs.push(e.seq ?? 0), { from: 'all' })
      return bus
    })
    const all = (count: number) =>
      eventually(() => received.every(({ length }) => length === count), {
        deadline: 60_000,
        what: `${count} events each`,
      })
    await all(30)

    let before = await apiRequests()
    let { opened } = server.bridge.hub.stats
    proxy.cut()
    await publish(20)
    await all(50)
    expect(server.bridge.hub.stats.opened - opened).toBeLessThanOrEqual(DIALS)
    expect([...server.bridge.hub.stats.closed]).toEqual([])
    const blip = (await apiRequests()) - before

    before = await apiRequests()
    await server.close()
    await publish(20)
    await start()
    await all(70)
    opened = server.bridge.hub.stats.opened
    expect([opened >= CLIENTS, opened <= DIALS]).toEqual([true, true])
    // None was refused, and none lost its turn.
    expect([...server.bridge.hub.stats.closed]).toEqual([])
    const restart = (await apiRequests()) - before

    console.log(`API requests for ${CLIENTS} clients: ${blip} after a blip, ${restart} after a restart of the hub`)
    for (const seqs of received) expect(seqs).toEqual(Array.from({ length: 70 }, (_, index) => index + 1))
    expect(blip).toBeLessThanOrEqual(HANDFUL)
    expect(restart).toBeLessThanOrEqual(HANDFUL)
    await Promise.all(buses.map((bus) => bus.close()))
  }, 240_000)
})
