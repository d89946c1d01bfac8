import { connect as connectNats, type NatsConnection } from 'nats'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import type { BridgeServer } from '../../bridge/hosts/node.ts'
import { type Bus, connect, defineEvents, event, SpanwireError, type Transport, webSocket } from '../../sdk/index.ts'
import { findServices, type Service, type ServiceInfo, type ServiceOptions, serve } from '../../sdk/services/index.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import { type BrokerStack, startBrokerStack, targetsOf } from '../support/broker-stack.ts'
import { eventually } from '../support/eventually.ts'
import type { NatsServer } from '../support/nats-server.ts'
import { createToken } from '../support/token.ts'

const events = defineEvents({
  'quotes.{symbol}.get': event(z.object({ amount: z.number() }), { reply: z.object({ price: z.number() }) }),
  'quotes.list': event(z.object({}), { reply: z.array(z.string()) }),
  'stored.{id}': event(z.object({}), { stream: 'STORED' }),
})
type Contract = typeof events

let stack: BrokerStack
let server: NatsServer
let bridge: BridgeServer
let token: string
beforeAll(async () => {
  stack = await startBrokerStack({ jetstream: false })
  ;({ server, bridge, token } = stack)
})
afterAll(() => stack?.[Symbol.asyncDispose]())

const targets = targetsOf(() => stack)

const services: Service[] = []
const transports: Transport[] = []

function start(connection: Transport, who = 'a', options: Partial<ServiceOptions> = {}): Service {
  const service = serve(
    { events, connection },
    {
      'quotes.{symbol}.get': async (e) => {
        if (e.params.symbol === 'BAD') throw new SpanwireError('responder-failed', 'BAD is not listed.')
        if (e.params.symbol === 'BUG') throw new Error('secret')
        if (e.params.symbol === 'SLOW') await new Promise((resolve) => setTimeout(resolve, 100))
        return { price: e.data.amount * 2 }
      },
      'quotes.list': () => [who],
    },
    { name: 'quotes', version: '1.2.0', description: 'Prices', onError: () => {}, ...options },
  )
  services.push(service)
  return service
}

afterEach(async () => {
  await Promise.all(services.splice(0).map((service) => service.drain()))
  await Promise.all(transports.splice(0).map((transport) => transport.close()))
})

describe.each(Object.entries(targets))('a service on %s', (_, open) => {
  function dial(): Transport {
    const transport = open()
    transports.push(transport)
    return transport
  }
  let bus: Bus<Contract>
  beforeAll(() => {
    bus = connect({ events, transport: open() })
  })
  afterAll(() => bus?.close())

  const ask = (symbol: string, amount: unknown = 1) =>
    bus.request('quotes.{symbol}.get', { symbol }, { amount: amount as number })

  it('answers requests, and counts requests and errors', async () => {
    const service = start(dial())
    await service.ready
    expect(await ask('ABC', 21)).toEqual({ price: 42 })
    await expect(ask('BAD')).rejects.toMatchObject({ code: 'responder-failed', message: 'BAD is not listed.' })
    await expect(ask('BUG')).rejects.toMatchObject({ code: 'responder-failed', message: 'The responder failed.' })
    await bus.request('quotes.list', {})
    const [get, list] = service.stats().endpoints
    expect(get).toMatchObject({
      name: 'quotes_symbol_get',
      subject: 'quotes.*.get',
      queue_group: 'q',
      num_requests: 3,
      num_errors: 2,
      last_error: '500:The responder failed.',
    })
    expect(list).toMatchObject({ num_requests: 1, num_errors: 0, last_error: '' })
    expect(get?.average_processing_time).toBeGreaterThan(0)
    service.reset()
    expect(service.stats().endpoints[0]).toMatchObject({ num_requests: 0, average_processing_time: 0 })
  })

  it('answers invalid data with code 400, and counts it', async () => {
    const service = start(dial())
    await service.ready
    const raw = dial()
    const answer = await raw.request('quotes.ABC.get', new TextEncoder().encode('{"amount":"x"}'), { timeout: 5_000 })
    expect(new TextDecoder().decode(answer.headerBlock)).toMatch(/Nats-Service-Error-Code: 400/)
    expect(service.stats().endpoints[0]).toMatchObject({ num_errors: 1, last_error: '400:The request is invalid.' })
  })

  it('shares requests between processes, and loses none when one drains', async () => {
    const [first, second] = [start(dial(), 'a'), start(dial(), 'b')]
    await Promise.all([first.ready, second.ready])
    const seen = new Set<string>()
    await eventually(async () => {
      for (const one of await bus.request('quotes.list', {})) seen.add(one)
      return seen.size === 2
    })
    const running = Array.from({ length: 20 }, () => ask('SLOW', 3))
    await eventually(() => first.stats().endpoints.length > 0)
    await first.drain()
    expect(await Promise.all(running)).toEqual(running.map(() => ({ price: 6 })))
    expect(await bus.request('quotes.list', {})).toEqual(['b'])
  })

  it('is found with its endpoints and schemas', async () => {
    const [first, second] = [start(dial()), start(dial())]
    await Promise.all([first.ready, second.ready])
    const finder = dial()
    let found: readonly ServiceInfo[] = []
    await eventually(async () => {
      found = await findServices(finder, { name: 'quotes', wait: 300 })
      return found.length === 2
    })
    expect(found.map(({ id }) => id).sort()).toEqual([first.id, second.id].sort())
    expect(found[0]).toMatchObject({ name: 'quotes', version: '1.2.0', description: 'Prices' })
    const [endpoint] = found[0]?.endpoints ?? []
    expect(endpoint?.metadata['spanwire.event']).toBe('quotes.{symbol}.get')
    expect(JSON.parse(endpoint?.metadata['spanwire.request'] ?? '')).toMatchObject({
      properties: { amount: { type: 'number' } },
    })
    expect(await findServices(dial(), { name: 'other', wait: 100 })).toEqual([])
  })
})

describe('a service and tools of NATS', () => {
  let connection: NatsConnection
  beforeAll(async () => {
    connection = await connectNats({ servers: server.url })
  })
  afterAll(() => connection?.close())

  async function all<T>(iterator: Promise<AsyncIterable<T>>): Promise<T[]> {
    const found: T[] = []
    for await (const one of await iterator) found.push(one)
    return found
  }

  it('is found, described and counted by the client of NATS', async () => {
    const service = start(nats({ url: server.url }))
    await service.ready
    const client = connection.services.client()
    expect(await all(client.ping('quotes'))).toMatchObject([{ name: 'quotes', id: service.id, version: '1.2.0' }])
    expect(await all(client.info('quotes', service.id))).toMatchObject([
      { description: 'Prices', endpoints: [{ subject: 'quotes.*.get', queue_group: 'q' }, { name: 'quotes_list' }] },
    ])
    await connection.request('quotes.ABC.get', '{"amount":1}')
    expect(await all(client.stats('quotes'))).toMatchObject([{ endpoints: [{ num_requests: 1 }, { num_requests: 0 }] }])
  })

  it('finds a service of the client of NATS, and shares its requests', async () => {
    const foreign = await connection.services.add({ name: 'quotes', version: '2.0.0', queue: 'q' })
    foreign.addEndpoint('list', { subject: 'quotes.list', handler: (_, m) => m?.respond('["nats"]') })
    const service = start(nats({ url: server.url }), 'spanwire')
    await service.ready
    const transport = nats({ url: server.url })
    transports.push(transport)
    const found = await findServices(transport, { name: 'quotes' })
    expect(found.map(({ version }) => version).sort()).toEqual(['1.2.0', '2.0.0'])
    const bus = connect({ events, transport })
    const seen = new Set<string>()
    await eventually(async () => {
      for (const one of await bus.request('quotes.list', {})) seen.add(one)
      return seen.size === 2
    })
    await foreign.stop()
  })
})

it('needs only the documented permissions, and reports a missing one', async () => {
  const allowed = { subscribe: { allow: ['quotes.>', '$SRV.>'] }, resp: { max: 1 } }
  const transport = webSocket({ url: bridge.url, token: await createToken(allowed) })
  transports.push(transport)
  const service = start(transport)
  await service.ready
  const asker = webSocket({ url: bridge.url, token })
  transports.push(asker)
  expect(await findServices(asker, { name: 'quotes' })).toHaveLength(1)
  const bus = connect({ events, transport: asker })
  expect(await bus.request('quotes.{symbol}.get', { symbol: 'A' }, { amount: 1 })).toEqual({ price: 2 })

  const refused = webSocket({ url: bridge.url, token: await createToken({ subscribe: { allow: ['quotes.>'] } }) })
  transports.push(refused)
  const ends: Error[] = []
  const hidden = start(refused, 'a', { onEnd: (error) => ends.push(error) })
  await expect(hidden.ready).rejects.toMatchObject({ code: 'permission-denied' })
  await eventually(() => ends.length > 0)
  expect(ends).toMatchObject([{ code: 'permission-denied' }])
})

it.each([
  [{ name: 'a b' }, 'The service name a b may have only letters, digits, - and _.'],
  [{ name: 'ä' }, 'The service name ä may have only letters, digits, - and _.'],
  [{ version: '1.0' }, 'The version 1.0 is not valid: write it as in 1.0.0.'],
  [{ version: 'v1.0.0' }, 'The version v1.0.0 is not valid: write it as in 1.0.0.'],
])('refuses %j', (options, text) => {
  const transport = nats({ url: server.url })
  transports.push(transport)
  expect(() => start(transport, 'a', options)).toThrow(text)
})

it('refuses events that are unknown or stored', () => {
  const transport = nats({ url: server.url })
  transports.push(transport)
  const source = { events, connection: transport }
  const options = { name: 'a', version: '1.0.0' }
  expect(() => serve(source, { other: () => {} } as never, options)).toThrow('other')
  expect(() => serve(source, { 'stored.{id}': () => ({}) }, options)).toThrow('declare the event { stream: false }')
})
