/** Types of the contract and the bus. Checked by `tsc`, not run. */
import * as z from 'zod'
import {
  type Bus,
  bytes,
  connect,
  defineEvents,
  type EventOf,
  event,
  type StreamAck,
  type StreamOf,
} from '../../sdk/index.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function holds<_ extends true>(): void {}

const events = defineEvents({
  'orders.{orderId}.created': z.object({ total: z.number() }),
  'flights.{from}.{to}.departed': z.object({ delay: z.string().transform(Number) }),
  'logs.{app}.{path...}': z.object({ line: z.string() }),
  'system.tick': z.object({ n: z.number() }),
  'quotes.{symbol}.get': event(z.object({}), { reply: z.object({ price: z.number() }) }),
  'trades.{symbol}': event(z.object({}), { stream: 'TRADES' }),
  'files.{name}.chunk': bytes(),
})
const bus: Bus<typeof events> = connect({ url: 'ws://localhost:1', events })

// Valid code.
void bus.publish('orders.{orderId}.created', { orderId: '42' }, { total: 12 })
void bus.publish('orders.{orderId}.created', { orderId: '42' }, { total: 12 }, { id: 'own' })
void bus.publish('system.tick', { n: 1 })
void bus.publish('logs.{app}.{path...}', { app: 'a', path: 'b.c' }, { line: '' })
void bus.publish('files.{name}.chunk', { name: 'a' }, new Uint8Array())
bus.on('orders.{orderId}.created', (e) => {
  holds<Equal<typeof e.data, { total: number }>>()
  holds<Equal<typeof e.params, { readonly orderId: string }>>()
  holds<Equal<typeof e.name, 'orders.{orderId}.created'>>()
  holds<Equal<typeof e.time, number>>()
})
bus.on('flights.{from}.{to}.departed', { from: 'SFO' }, (e) => {
  // Receivers get the output of the schema, publishers pass its input.
  holds<Equal<typeof e.data, { delay: number }>>()
  holds<Equal<typeof e.params, { readonly from: string; readonly to: string }>>()
})
void bus.publish('flights.{from}.{to}.departed', { from: 'a', to: 'b' }, { delay: '5' })
for await (const e of bus.subscribe('logs.{app}.{path...}', { app: '*' }, { queue: 'q', buffer: 1 })) {
  holds<Equal<typeof e.params, { readonly app: string; readonly path: string }>>()
}
for await (const e of bus.subscribe('system.tick', { queue: 'q' })) holds<Equal<typeof e.data, { n: number }>>()
const quote = await bus.request('quotes.{symbol}.get', { symbol: 'ABC' }, {}, { timeout: 1 })
holds<Equal<typeof quote, { price: number }>>()
bus.respond('quotes.{symbol}.get', () => ({ price: 1 }), { queue: 'q' })
bus.respond('quotes.{symbol}.get', { symbol: 'ABC' }, async () => ({ price: 1 }))

// Unknown events.
// @ts-expect-error
void bus.publish('orders.{orderId}.deleted', { orderId: '42' }, { total: 12 })
// @ts-expect-error
bus.subscribe('orders.*.created')
// @ts-expect-error
bus.on('orders', () => {})
// @ts-expect-error
void bus.request('nothing', {})

// Missing, unknown or wrongly typed params.
// @ts-expect-error
void bus.publish('orders.{orderId}.created', {}, { total: 12 })
// @ts-expect-error
void bus.publish('orders.{orderId}.created', { total: 12 })
// @ts-expect-error
void bus.publish('flights.{from}.{to}.departed', { from: 'a' }, { delay: '5' })
// @ts-expect-error
void bus.publish('orders.{orderId}.created', { orderId: '42', other: 'x' }, { total: 12 })
// @ts-expect-error
void bus.publish('orders.{orderId}.created', { orderId: 42 }, { total: 12 })
// @ts-expect-error
bus.subscribe('orders.{orderId}.created', { room: '*' })
// @ts-expect-error
bus.on('system.tick', { x: '*' }, () => {})
// @ts-expect-error
void bus.publish('system.tick', {}, { n: 1 })

// Wrong data.
// @ts-expect-error
void bus.publish('orders.{orderId}.created', { orderId: '42' }, { total: '12' })
// @ts-expect-error
void bus.publish('orders.{orderId}.created', { orderId: '42' })
// @ts-expect-error
void bus.publish('flights.{from}.{to}.departed', { from: 'a', to: 'b' }, { delay: 5 })
// @ts-expect-error
void bus.publish('files.{name}.chunk', { name: 'a' }, 'text')
// @ts-expect-error
bus.on('orders.{orderId}.created', (e) => e.data.amount)
// @ts-expect-error
bus.on('orders.{orderId}.created', (e) => e.params.room)
// @ts-expect-error
bus.respond('quotes.{symbol}.get', () => ({ price: '1' }))
// @ts-expect-error
bus.respond('quotes.{symbol}.get', () => {})

// Invalid templates.
const schema = z.object({})
// @ts-expect-error
defineEvents({ 'orders.{orderId.created': schema })
// @ts-expect-error
defineEvents({ 'orders.orderId}.created': schema })
// @ts-expect-error
defineEvents({ 'orders.{}.created': schema })
// @ts-expect-error
defineEvents({ 'orders..created': schema })
// @ts-expect-error
defineEvents({ '': schema })
// @ts-expect-error
defineEvents({ 'orders.*': schema })
// @ts-expect-error
defineEvents({ 'orders.>': schema })
// @ts-expect-error
defineEvents({ 'orders .created': schema })
// @ts-expect-error
defineEvents({ 'orders.{id}.x.{id}': schema })
// @ts-expect-error
defineEvents({ 'orders.{rest...}.created': schema })
// @ts-expect-error
defineEvents({ 'orders.x{id}': schema })
// @ts-expect-error
defineEvents({ 'orders.': schema })
// @ts-expect-error
defineEvents({ orders: { total: 'number' } })

// Streams.
const kept = defineEvents(
  {
    'orders.{orderId}.created': z.object({ total: z.number() }),
    'chat.{room}.message': event(z.object({ text: z.string() }), { stream: 'CHAT' }),
    'cursor.{id}.moved': event(z.object({}), { stream: false }),
    'files.{name}.chunk': bytes(),
    'plain.event': event(z.object({})),
    'seats.{id}.taken': { schema: z.object({}), reply: z.object({}) },
    // Requests have no stream, as the stream would answer them.
    'quotes.{symbol}.get': event(z.object({}), { reply: z.object({ price: z.number() }), stream: false }),
    'files.{name}.get': { ...bytes(), stream: false },
  },
  { stream: 'APP' },
)
holds<Equal<StreamOf<(typeof kept)['orders.{orderId}.created']>, 'APP'>>()
holds<Equal<StreamOf<(typeof kept)['chat.{room}.message']>, 'CHAT'>>()
holds<Equal<StreamOf<(typeof kept)['cursor.{id}.moved']>, never>>()
holds<Equal<StreamOf<(typeof kept)['files.{name}.chunk']>, 'APP'>>()
holds<Equal<StreamOf<(typeof kept)['seats.{id}.taken']>, 'APP'>>()
holds<Equal<StreamOf<(typeof kept)['quotes.{symbol}.get']>, never>>()
holds<Equal<StreamOf<(typeof kept)['files.{name}.get']>, never>>()
holds<Equal<StreamOf<(typeof kept)['plain.event']>, 'APP'>>()
holds<Equal<StreamOf<(typeof events)['system.tick']>, never>>()
holds<Equal<StreamOf<(typeof events)['files.{name}.chunk']>, never>>()
holds<Equal<StreamOf<(typeof events)['quotes.{symbol}.get']>, never>>()
holds<Equal<StreamOf<(typeof events)['trades.{symbol}']>, 'TRADES'>>()
const stored: Bus<typeof kept> = connect({ url: 'ws://localhost:1', events: kept, onGap: ({ ranges }) => void ranges })

const ack = await stored.publish('chat.{room}.message', { room: 'a' }, { text: '' }, { expectLastSubjectSeq: 3 })
holds<Equal<typeof ack, StreamAck>>()
const none = await stored.publish('cursor.{id}.moved', { id: 'a' }, {})
holds<Equal<typeof none, void>>()
const price = await stored.request('quotes.{symbol}.get', { symbol: 'A' }, {})
holds<Equal<typeof price, { price: number }>>()
stored.respond('quotes.{symbol}.get', () => ({ price: 1 }))
const room = stored.subscribe('chat.{room}.message', { room: '*' }, { from: { last: 10 }, buffer: 5, cursorKey: 'a' })
holds<Equal<typeof room.cursor, string | undefined>>()
holds<Equal<typeof room.live, Promise<void>>>()
for await (const { seq, live, data } of room) {
  holds<Equal<typeof seq, number>>()
  holds<Equal<typeof live, boolean>>()
  holds<Equal<typeof data, { text: string }>>()
}
const handle = stored.on('orders.{orderId}.created', ({ data }) => data.total, { from: { time: new Date() } })
holds<Equal<typeof handle.cursor, string | undefined>>()
stored.on('orders.{orderId}.created', { orderId: '1' }, ({ data }) => data.total, { from: { cursor: '' } })
stored.subscribe('chat.{room}.message', {}, { queue: 'q' })
const values = stored.latest('orders.{orderId}.created', { orderId: '*' })
holds<Equal<ReturnType<typeof values.get>, EventOf<typeof kept, 'orders.{orderId}.created'> | undefined>>()
values.get({ orderId: '1' })

// @ts-expect-error
void bus.publish('system.tick', { n: 1 }, { expectLastSeq: 1 })
// @ts-expect-error
void bus.publish('system.tick', { n: 1 }, { timeout: 1 })
// @ts-expect-error
void stored.publish('chat.{room}.message', { room: 'a' }, { text: '' }, { expectLastSeq: '1' })
// @ts-expect-error
bus.subscribe('system.tick', { from: 'all' })
// @ts-expect-error
bus.on('orders.{orderId}.created', () => {}, { from: 'new' })
// @ts-expect-error
bus.subscribe('system.tick').cursor
// @ts-expect-error
stored.subscribe('cursor.{id}.moved', {}, { from: 'all' })
// @ts-expect-error
stored.subscribe('chat.{room}.message', {}, { from: 'first' })
// @ts-expect-error
stored.subscribe('chat.{room}.message', {}, { from: { seq: 1, last: '2' } })
// @ts-expect-error
stored.subscribe('chat.{room}.message', {}, { from: 'all', queue: 'q' })
// @ts-expect-error
stored.on('chat.{room}.message', () => {}, { from: { time: '2020-01-01' } })
// @ts-expect-error
stored.on('chat.{room}.message', () => {}, { buffer: 1 })
// @ts-expect-error
stored.latest('cursor.{id}.moved')
// @ts-expect-error
bus.latest('system.tick')
// @ts-expect-error
values.get({ room: '1' })
// @ts-expect-error
event(z.object({}), { stream: true })
// @ts-expect-error
defineEvents({ a: schema }, { stream: 1 })

// Versions. The last step returns the input of the schema.
defineEvents({
  'a.{id}': event(z.object({ cents: z.number() }), {
    version: 3,
    upgrade: {
      1: (old: { total: number }) => ({ total: old.total, currency: 'EUR' }),
      2: (old: { total: number; currency: string }) => ({ cents: old.total * 100 }),
    },
    stream: 'A',
  }),
})
event(z.object({ n: z.number() }), { version: 1 })
event(z.object({ n: z.number() }), { version: 2, upgrade: { 1: (old) => ({ n: Number(old) }) } })
// @ts-expect-error a version above 1 needs steps
event(z.object({ n: z.number() }), { version: 2 })
// @ts-expect-error the step from 2 to 3 is missing
event(z.object({ n: z.number() }), { version: 3, upgrade: { 1: () => ({ n: 1 }) } })
// @ts-expect-error the last step does not return the input of the schema
event(z.object({ n: z.number() }), { version: 2, upgrade: { 1: () => ({ n: 'x' }) } })
// @ts-expect-error version 1 has no older version
event(z.object({ n: z.number() }), { upgrade: { 1: () => ({ n: 1 }) } })
