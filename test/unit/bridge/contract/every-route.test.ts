/** Features of the SDK through a bridge that knows the contract, with data that it does not allow. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import * as z from 'zod'
import { createTestBridge, type TestBridge } from '../../../../bridge/testing/test-bridge.ts'
import { type Bus, defineEvents, event, json } from '../../../../sdk/index.ts'
import { eventually } from '../../../support/eventually.ts'

const text = z.object({ text: z.string() })
const events = defineEvents({
  'kept.{id}': event(text, { stream: 'KEPT' }),
  'chat.{room}': event(text, { reply: text }),
})
/** The contract of a publisher that checks nothing. */
const careless = defineEvents({
  'kept.{id}': event(json<object>(), { stream: 'KEPT' }),
  'chat.{room}': event(json<object>(), { reply: json<object>() }),
})
const INVALID = { code: 'invalid-data' }
const later = () => new Date(Date.now() + 3_600_000)

let bridge: TestBridge
let bus: Bus<typeof careless>
beforeAll(async () => {
  bridge = createTestBridge({ events })
  await bridge.ensureStreams(events)
  bus = bridge.connect({ events: careless })
})
afterAll(() => bridge?.close())

it('an atomic batch with one invalid event is refused whole', async () => {
  const entry = (id: string, data: object) => ({ name: 'kept.{id}', params: { id }, data }) as const
  const batch = [entry('b1', { text: 'x' }), entry('b2', { text: 7 }), entry('b3', { text: 'x' })]
  await expect(bus.publishAll(batch)).rejects.toMatchObject(INVALID)
  await expect(bus.publishAll([batch[0] as (typeof batch)[0], entry('b4', { text: 'x' })])).resolves.toBeDefined()
  const seen: string[] = []
  await bridge.service({ events }).on('kept.{id}', ({ params }) => seen.push(params.id), { from: 'all' }).live
  expect(seen).toEqual(['b1', 'b4'])
})

it('a schedule for an invalid event is refused, and a valid one can be cancelled', async () => {
  await expect(bus.publish('kept.{id}', { id: 's' }, { text: 7 }, { at: later() })).rejects.toMatchObject(INVALID)
  const schedule = await bus.publish('kept.{id}', { id: 's' }, { text: 'x' }, { at: later() })
  await schedule.cancel()
})

it('a removal passes', async () => {
  await bus.publish('kept.{id}', { id: 'gone' }, { text: 'x' })
  await bus.forget('kept.{id}', { id: 'gone' })
})

it('a publish that was buffered offline is checked', async () => {
  const network = bridge.network()
  await using offline = bridge.connect({ events: careless, network })
  await offline.publish('kept.{id}', { id: 'online' }, { text: 'x' })
  network.partition()
  network.drop()
  const buffered = [
    offline.publish('kept.{id}', { id: 'o1' }, { text: 7 }),
    offline.publish('kept.{id}', { id: 'o2' }, { text: 'x' }),
  ]
  network.heal()
  await expect(buffered[0]).rejects.toMatchObject(INVALID)
  await expect(buffered[1]).resolves.toMatchObject({ stream: 'KEPT' })
})

it('an answer passes, and its requester checks it', async () => {
  await bus.respond('chat.{room}', () => ({ text: 7 })).ready
  await using requester = bridge.connect({ events })
  await expect(requester.request('chat.{room}', { room: 'a' }, { text: 'x' })).rejects.toMatchObject(INVALID)
  await expect(bus.request('chat.{room}', { room: 'a' }, { text: 7 })).rejects.toMatchObject(INVALID)
})

it('presence is not affected, and its subject is not a way to an event', async () => {
  const channel = await bus.presence('chat.a')
  await channel.join({ text: 7 })
  const received: unknown[] = []
  await bridge.service({ events }).on('chat.{room}', ({ data }) => received.push(data)).ready
  await channel.signal({ text: 7 })
  await bus.publish('chat.{room}', { room: 'a' }, { text: 'last' })
  await eventually(() => received.length > 0)
  expect(received).toEqual([{ text: 'last' }])
})

it('headers of HTTP are checked like those of the protocol', async () => {
  const headers = { 'Nats-Headers': encodeURIComponent(JSON.stringify([['Nats-Trace-Dest', 'chat.a']])) }
  const post = (path: string) => bridge.fetch(`http://bridge${path}`, { method: 'POST', headers, body: '{"text":"x"}' })
  for (const path of ['/publish/kept.h', '/request/kept.h']) {
    const response = await post(path)
    expect([response.status, await response.text()]).toEqual([403, expect.stringContaining('with Nats-Trace-Dest')])
  }
})
