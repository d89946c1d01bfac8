/** A bridge that knows the contract, versions of events, and events that native publishers send wrong. */
import { connect as connectNats } from 'nats'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { readDeadLetters, redrive } from '../../bridge/cli/connection/dead-letters.ts'
import { type BridgeServer, serve as serveBridge } from '../../bridge/hosts/node.ts'
import { consume } from '../../sdk/consumer/index.ts'
import {
  bytes,
  connect,
  defineEvents,
  event,
  json,
  type ReceivedEvent,
  type SpanwireError,
  type Transport,
  webSocket,
} from '../../sdk/index.ts'
import { serve } from '../../sdk/services/index.ts'
import { ensureStreams } from '../../sdk/streams/index.ts'
import { http } from '../../sdk/transport/http/index.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import { eventually } from '../support/eventually.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { rootToken, SECRET } from '../support/token.ts'

const ask = event(z.object({ n: z.number() }), { reply: z.object({ twice: z.number() }) })
const events = defineEvents({
  'orders.{id}': event(z.object({ cents: z.number().int() }), {
    stream: 'GATE_ORDERS',
    version: 2,
    upgrade: { 1: (old: { total: number }) => ({ cents: old.total * 100 }) },
  }),
  'chat.{room}': z.object({ text: z.string() }),
  'asks.{id}': ask,
  // Quarantined events have any data.
  'quarantine.{kind}': bytes({ stream: 'GATE_QUARANTINE' }),
})
/** The contract of a publisher that checks nothing. */
const careless = defineEvents({
  'orders.{id}': event(json<object>(), { stream: 'GATE_ORDERS' }),
  'chat.{room}': json<object>(),
  'asks.{id}': event(json<object>(), { reply: json<object>() }),
  other: json<object>(),
})

let server: NatsServer
let bridge: BridgeServer
let token: string
beforeAll(async () => {
  server = await startNatsServer({ jetstream: true })
  bridge = await serveBridge({
    upstream: server.url,
    auth: { secret: SECRET },
    log: 'off',
    events,
    authorize: {
      publish: async (_, given) => given.name !== 'chat.{room}' || given.params.room !== 'closed',
      subscribe: (_, name, { room }) => name !== 'chat.{room}' || room !== 'closed',
    },
  })
  token = await rootToken()
  await ensureStreams(events, nats({ url: server.url }), { defaults: { duplicateWindow: 1_000 } })
})
afterAll(async () => {
  await bridge?.close()
  await server?.[Symbol.asyncDispose]()
})

const transports: Record<string, () => Transport> = {
  WebSocket: () => webSocket({ url: bridge.url, token }),
  'Server-Sent Events': () => webSocket({ url: bridge.url, token, via: 'sse' }),
  HTTP: () => http({ url: bridge.url, token }),
}

describe.each(Object.entries(transports))('by %s', (_, open) => {
  it('a publish that the contract or the application refuses is rejected, with the issues, and others are not', async () => {
    await using bus = connect({ transport: open(), events: careless })
    const invalid = {
      code: 'invalid-data',
      message: expect.stringMatching(/^The data of (chat\.a|orders\.1|asks\.1) is not valid: /),
      issues: [{ message: expect.stringContaining('expected'), path: [expect.any(String)] }],
    }
    const publish = bus.publish('chat.{room}', { room: 'a' }, { text: 'it\'s "quoted"' })
    await expect(bus.publish('chat.{room}', { room: 'a' }, { text: 7 })).rejects.toMatchObject(invalid)
    await expect(bus.publish('orders.{id}', { id: '1' }, { total: 'x' })).rejects.toMatchObject(invalid)
    await expect(bus.request('asks.{id}', { id: '1' }, { n: 'x' })).rejects.toMatchObject(invalid)
    const denied = { code: 'permission-denied', message: expect.stringContaining('Publish to "') }
    await expect(bus.publish('chat.{room}', { room: 'closed' }, { text: 'x' })).rejects.toMatchObject(denied)
    await expect(bus.publish('other', {})).rejects.toMatchObject(denied)
    await expect(publish).resolves.toBeUndefined()
    expect(await bus.publish('orders.{id}', { id: '1' }, { total: 3 })).toMatchObject({ stream: 'GATE_ORDERS' })
  })
})

it('a subscription that the application refuses ends with permission-denied', async () => {
  await using bus = connect({ url: bridge.url, token, events })
  await expect(bus.on('chat.{room}', { room: 'closed' }, () => {}).ready).rejects.toMatchObject({
    code: 'permission-denied',
  })
  await bus.on('chat.{room}', { room: 'open' }, () => {}).ready
})

it('services, presence, JetStream and replays are not affected', async () => {
  await using bus = connect({ url: bridge.url, token, events })
  const service = serve(
    { events, connection: webSocket({ url: bridge.url, token }) },
    { 'asks.{id}': (e) => ({ twice: e.data.n * 2 }) },
    { name: 'gate', version: '1.0.0' },
  )
  await service.ready
  expect(await bus.request('asks.{id}', { id: '1' }, { n: 4 })).toEqual({ twice: 8 })
  await bus.presence('room.1')
  await bus.publish('orders.{id}', { id: 'replayed' }, { cents: 5 })
  const seen: string[] = []
  await bus.on('orders.{id}', ({ params }) => seen.push(params.id), { from: 'all' }).live
  expect(seen).toContain('replayed')
  await service.drain()
})

it('events of older and newer publishers: stored, replayed, consumed, quarantined and put back', async () => {
  const native = await connectNats({ servers: server.url })
  const js = native.jetstream()
  const encode = (data: unknown) => new TextEncoder().encode(typeof data === 'string' ? data : JSON.stringify(data))
  const { headers } = await import('nats')
  const marked = (version: string) => {
    const block = headers()
    block.set('Spanwire-Version', version)
    return { headers: block, msgID: `v${version}` }
  }
  await js.publish('orders.v1', encode({ total: 2 }))
  await js.publish('orders.v2', encode({ cents: 300 }), marked('2'))
  await js.publish('orders.v3', encode({ amount: { cents: 4 } }), marked('3'))
  await js.publish('orders.bad', encode({ cents: 1.5 }), { ...marked('2'), msgID: 'bad' })
  await js.publish('orders.junk', encode('{'))

  const invalid: Array<[string, string]> = []
  const onInvalid = (error: SpanwireError, { subject }: ReceivedEvent) => invalid.push([error.code, subject])
  await using bus = connect({ url: bridge.url, token, events, onInvalid })
  const replayed = new Map<string, number>()
  const ids = ['v1', 'v2', 'v3', 'bad', 'junk']
  await bus.on('orders.{id}', ({ params, data }) => ids.includes(params.id) && replayed.set(params.id, data.cents), {
    from: 'all',
  }).live
  expect([...replayed]).toEqual([
    ['v1', 200],
    ['v2', 300],
  ])
  expect(invalid).toEqual([
    ['newer-version', 'orders.v3'],
    ['invalid-data', 'orders.bad'],
    ['invalid-data', 'orders.junk'],
  ])

  // Through the bridge, whose contract has the subject of the quarantine.
  const connection = webSocket({ url: bridge.url, token })
  const consumed: string[] = []
  const consumer = consume({ events, connection }, 'orders.{id}', ({ params }) => consumed.push(params.id), {
    consumer: 'gate',
    onInvalid: { to: 'quarantine.orders' },
    onError: () => {},
  })
  const transport = nats({ url: server.url })
  const read = async () => {
    const letters = []
    for await (const letter of readDeadLetters(transport, 'quarantine.*')) letters.push(letter)
    return letters
  }
  const letters = await eventually(async () => {
    const found = await read()
    return found.length === 3 ? found : undefined
  })
  expect(letters.map(({ subject, code, consumer: name, attempts }) => [subject, code, name, attempts])).toEqual([
    ['orders.v3', 'newer-version', 'gate', 1],
    ['orders.bad', 'invalid-data', 'gate', 1],
    ['orders.junk', 'invalid-data', 'gate', 1],
  ])
  expect(letters[0]?.headers).toContainEqual(['Spanwire-Version', '3'])
  expect(consumed.filter((id) => ids.includes(id))).toEqual(['v1', 'v2'])
  await consumer.drain()

  // After the deployment of a contract that has version 3.
  const third = defineEvents({
    'orders.{id}': event(z.object({ amount: z.object({ cents: z.number() }) }), {
      stream: 'GATE_ORDERS',
      version: 3,
      upgrade: { 1: (old) => old, 2: () => ({ amount: { cents: 0 } }) },
    }),
  })
  const cents: number[] = []
  const newer = consume(
    { events: third, connection: transport },
    'orders.{id}',
    (e) => cents.push(e.data.amount.cents),
    {
      consumer: 'newer',
      from: 'new',
    },
  )
  await newer.ready
  const [letter] = letters
  if (!letter) throw new Error('no quarantined event')
  await eventually(async () => (await redrive(transport, letter)).did === 'redriven', { what: 'the duplicate window' })
  await eventually(() => cents.includes(4))
  expect(await read()).toHaveLength(2)
  await newer.drain()
  await transport.close()
  await connection.close()
  await native.close()
}, 60_000)

it('a client whose publishes wait for decisions that never come does not delay others', async () => {
  await using hung = await serveBridge({
    upstream: server.url,
    auth: { secret: SECRET },
    log: 'off',
    events,
    authorize: { publish: (_, { subject }) => subject !== 'chat.hung' || new Promise(() => {}), timeout: 300 },
  })
  await using stuck = connect({ url: hung.url, token, events })
  await using quick = connect({ url: hung.url, token, events })
  const received: string[] = []
  await quick.on('chat.{room}', ({ params }) => received.push(params.room)).ready
  const publishes = Array.from({ length: 40 }, () => stuck.publish('chat.{room}', { room: 'hung' }, { text: 'x' }))
  const results = Promise.allSettled(publishes)
  await quick.publish('chat.{room}', { room: 'quick' }, { text: 'x' })
  await eventually(() => received.includes('quick'))
  expect((await results).map(({ status }) => status)).toEqual(publishes.map(() => 'rejected'))
  await expect(publishes[0]).rejects.toMatchObject({
    code: 'permission-denied',
    message: expect.stringContaining('no decision of the application in time'),
  })
  expect(received).toEqual(['quick'])
})
