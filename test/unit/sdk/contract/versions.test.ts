import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { createTestBridge } from '../../../../bridge/testing/index.ts'
import { consume } from '../../../../sdk/consumer/index.ts'
import { defineEvents, event, type ReceivedEvent, type SpanwireError } from '../../../../sdk/index.ts'

const reply = z.object({ ok: z.boolean() })
const first = defineEvents({
  'orders.{id}': event(z.object({ total: z.number() }), { stream: 'ORDERS' }),
  ping: event(z.object({ n: z.number() }), { reply }),
})
const third = defineEvents({
  'orders.{id}': event(z.strictObject({ amount: z.object({ cents: z.number() }) }), {
    stream: 'ORDERS',
    version: 3,
    upgrade: {
      1: (old: { total: number }) => ({ cents: old.total * 100 }),
      2: (old: { cents: number }) => {
        if (old.cents > 1e6) throw new Error('too large')
        return { amount: old }
      },
    },
  }),
  ping: event(z.object({ m: z.number() }), {
    reply,
    version: 2,
    upgrade: { 1: (old: { n: number }) => ({ m: old.n }) },
  }),
})

async function setUp() {
  const bridge = createTestBridge()
  await bridge.ensureStreams(first)
  const invalid: Array<[string, ReceivedEvent]> = []
  const onInvalid = (error: SpanwireError, e: ReceivedEvent) => invalid.push([error.code, e])
  const [old, now] = [bridge.connect({ events: first, onInvalid }), bridge.connect({ events: third, onInvalid })]
  return { bridge, old, now, invalid }
}

describe('an event with a version', () => {
  it('is marked by its publisher, and unmarked in version 1', async () => {
    const { bridge, old, now } = await setUp()
    await using _ = bridge
    const marks: Array<string | undefined> = []
    await now.on('orders.{id}', ({ headers }) => marks.push(headers.get('Spanwire-Version')), { from: 'new' }).live
    await old.publish('orders.{id}', { id: 'a' }, { total: 1 })
    await now.publish('orders.{id}', { id: 'a' }, { amount: { cents: 200 } })
    await bridge.settle()
    expect(marks).toEqual([undefined, '3'])
  })

  it('is upgraded step by step: live, replayed, as the latest, in a consumer and as a request', async () => {
    const { bridge, old, now } = await setUp()
    await using _ = bridge
    await old.publish('orders.{id}', { id: 'a' }, { total: 1 })
    const cents: number[] = []
    const live = now.on('orders.{id}', ({ data }) => cents.push(data.amount.cents), { from: 'all' })
    await live.live
    await now.publish('orders.{id}', { id: 'b' }, { amount: { cents: 250 } })
    await old.publish('orders.{id}', { id: 'c' }, { total: 3 })
    await bridge.settle()
    expect(cents).toEqual([100, 250, 300])

    const latest = now.latest('orders.{id}')
    await latest.ready
    expect(latest.get({ id: 'a' })?.data).toEqual({ amount: { cents: 100 } })

    const consumed: number[] = []
    const consumer = consume(
      { events: third, connection: bridge.transport() },
      'orders.{id}',
      (e) => consumed.push(e.data.amount.cents),
      { consumer: 'w' },
    )
    await consumer.ready
    await bridge.settle()
    expect(consumed).toEqual([100, 250, 300])

    const answered: number[] = []
    await now.respond('ping', ({ data }) => {
      answered.push(data.m)
      return { ok: true }
    }).ready
    expect(await old.request('ping', { n: 7 })).toEqual({ ok: true })
    expect(answered).toEqual([7])
    await consumer.drain()
  })

  it('goes to onInvalid if it is newer than the contract, or cannot be upgraded', async () => {
    const { bridge, old, now, invalid } = await setUp()
    await using _ = bridge
    const received: string[] = []
    await old.on('orders.{id}', ({ params }) => received.push(params.id)).live
    await now.publish('orders.{id}', { id: 'newer' }, { amount: { cents: 1 } })
    await old.publish('orders.{id}', { id: 'fine' }, { total: 1 })
    await bridge.settle()
    expect(received).toEqual(['fine'])
    expect(invalid.map(([code, e]) => [code, e.subject])).toEqual([['newer-version', 'orders.newer']])
    invalid.length = 0

    const upgraded: string[] = []
    await now.on('orders.{id}', ({ params }) => upgraded.push(params.id), { from: 'new' }).live
    await old.publish('orders.{id}', { id: 'large' }, { total: 1e6 })
    const publish = (id: string, version: string) =>
      old.publish(
        'orders.{id}',
        { id },
        { total: 1 },
        { headers: [['Spanwire-Version', version]], reservedHeaders: true },
      )
    for (const version of ['x', '0', '-1', '1e1', '9'.repeat(30)]) await publish('odd', version)
    await old.publish('orders.{id}', { id: 'small' }, { total: 1 })
    await bridge.settle()
    expect(upgraded).toEqual(['small'])
    expect(
      invalid.filter(([, { live, subject }]) => live && subject === 'orders.large').map(([code]) => code),
    ).toContain('invalid-data')
    expect(invalid.filter(([, { subject }]) => subject === 'orders.odd')).toHaveLength(10)
  })

  it.each([
    [{ version: 0 }, /whole number/],
    [{ version: 1.5, upgrade: {} }, /whole number/],
    [{ version: 3, upgrade: { 1: () => 1 } }, /upgrade\[2\]/],
    [{ version: 2 }, /upgrade\[1\]/],
  ])('refuses %o', (options, message) => {
    expect(() => event(z.number(), options as never)).toThrow(message)
  })
})
