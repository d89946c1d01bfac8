/** A traced bus has the types of its bus. Checked by `tsc`, not run. */
import { type Context, trace } from '@opentelemetry/api'
import * as z from 'zod'
import { type Bus, connect, defineEvents, event, type StreamAck } from '../../sdk/index.ts'
import { contextOf, traced } from '../../sdk/opentelemetry/index.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function holds<_ extends true>(): void {}

const events = defineEvents({
  'orders.{orderId}.created': z.object({ total: z.number() }),
  'shop.{id}.paid': event(z.object({ total: z.number() }), { stream: 'SHOP' }),
  'quotes.{symbol}.get': event(z.object({}), { reply: z.object({ price: z.number() }) }),
})
const bus = traced(connect({ url: 'ws://localhost:1', events }), { tracer: trace.getTracer('own'), parent: 'link' })
holds<Equal<typeof bus, Bus<typeof events>>>()

// Valid code.
const ack = await bus.publish('shop.{id}.paid', { id: '1' }, { total: 1 })
holds<Equal<typeof ack, StreamAck>>()
const quote = await bus.request('quotes.{symbol}.get', { symbol: 'ABC' }, {})
holds<Equal<typeof quote, { price: number }>>()
bus.on('orders.{orderId}.created', (e) => {
  holds<Equal<typeof e.data, { total: number }>>()
  const from = contextOf(e)
  holds<Equal<typeof from, Context>>()
})
for await (const e of bus.subscribe('shop.{id}.paid', {}, { from: 'all' })) contextOf(e)

// Invalid code.
// @ts-expect-error
void bus.publish('orders.{orderId}.deleted', { orderId: '42' }, { total: 12 })
// @ts-expect-error
void bus.publish('orders.{orderId}.created', { orderId: '42' }, { total: '12' })
// @ts-expect-error
bus.on('orders.{orderId}.created', (e) => e.params.room)
// @ts-expect-error
traced(bus, { parent: 'sibling' })
// @ts-expect-error
traced({})
// @ts-expect-error
contextOf({})
