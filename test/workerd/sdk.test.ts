import { connect as connectNats, type NatsConnection } from 'nats'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type Bus, connect, defineEvents, event } from '../../sdk/index.ts'
import { eventually } from '../support/eventually.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { rootToken, SECRET } from '../support/token.ts'
import { type RunningWorker, startWorker } from '../support/workerd.ts'

const events = defineEvents({
  'orders.{orderId}.created': z.object({ total: z.number() }),
  'quotes.{symbol}.get': event(z.object({}), { reply: z.object({ price: z.number() }) }),
})

let server: NatsServer
let backend: NatsConnection
let worker: RunningWorker
let bus: Bus<typeof events>

beforeAll(async () => {
  server = await startNatsServer()
  backend = await connectNats({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 })
  worker = await startWorker({ secret: SECRET, upstream: server.url, main: 'test/workerd/evictable.ts' })
  bus = connect({ url: worker.url, events, token: rootToken })
}, 60_000)

afterAll(async () => {
  await bus?.close()
  await worker?.stop()
  await backend?.close()
  await server?.[Symbol.asyncDispose]()
})

/** Records every state of the bus. */
function watchStates(): { readonly states: string[]; stop(): void } {
  const states: string[] = []
  const stop = bus.status.subscribe(({ state, reason }) => states.push(reason ? `${state}: ${reason.code}` : state))
  return { states, stop: () => void stop() }
}

describe('the SDK through the Worker', () => {
  it('publishes, subscribes and requests', async () => {
    const subscription = bus.subscribe('orders.{orderId}.created')
    await subscription.ready
    await bus.publish('orders.{orderId}.created', { orderId: '42' }, { total: 12 })
    for await (const { data, params } of subscription) {
      expect([data, params]).toEqual([{ total: 12 }, { orderId: '42' }])
      break
    }
    backend.subscribe('quotes.*.get', { callback: (_, message) => message.respond('{"price":7}'), max: 1 })
    await backend.flush()
    expect(await bus.request('quotes.{symbol}.get', { symbol: 'ABC' }, {})).toEqual({ price: 7 })
  })

  it('stays connected when its hub is evicted', async () => {
    const totals: number[] = []
    const handle = bus.on('orders.{orderId}.created', ({ data }) => totals.push(data.total))
    await handle.ready
    const { states, stop } = watchStates()
    await fetch(`${worker.url}/test/hub-1/let-go`, { method: 'POST' })
    await worker.evict()
    await eventually(() => states.at(-1) === 'open', { what: 'the end of the pause' })
    backend.publish('orders.1.created', '{"total":1}')
    await bus.publish('orders.{orderId}.created', { orderId: '2' }, { total: 2 })
    await eventually(() => totals.length === 2, { what: 'both events' })
    expect(totals.toSorted()).toEqual([1, 2])
    // The socket stayed open. Otherwise the reason would be connection-lost.
    expect(states).toEqual(['reconnecting: upstream-unavailable', 'open'])
    stop()
    handle.unsubscribe()
  }, 30_000)

  it('stays connected while NATS restarts, and queues publishes meanwhile', async () => {
    const totals: number[] = []
    const handle = bus.on('orders.{orderId}.created', ({ data }) => totals.push(data.total))
    await handle.ready
    const { states, stop } = watchStates()
    await server.stop()
    await eventually(() => states.length > 0, { what: 'the status of the outage' })
    const published = bus.publish('orders.{orderId}.created', { orderId: '3' }, { total: 3 })
    await server.restart()
    await published
    await eventually(() => totals.length === 1, { what: 'the event' })
    expect(totals).toEqual([3])
    expect(states).toEqual(['reconnecting: upstream-unavailable', 'open'])
    stop()
    handle.unsubscribe()
  }, 30_000)
})
