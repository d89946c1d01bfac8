/** Types of relays. Checked by `tsc`, not run. */
import * as z from 'zod'
import { into, outOf, percent, relay } from '../../bridge/relay/index.ts'
import { kafka } from '../../bridge/relay/kafka/index.ts'
import { rabbitmq } from '../../bridge/relay/rabbitmq/index.ts'
import { defineEvents, event, type Transport } from '../../sdk/index.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function holds<_ extends true>(): void {}

const events = defineEvents({
  'orders.{shop}.{id}': event(z.object({ total: z.string().transform(Number) }), { stream: 'ORDERS' }),
  'system.tick': z.object({}),
})
declare const transport: Transport
const shop = kafka({ brokers: 'x:1' })
const rabbit = rabbitmq({ url: 'amqp://x' })

const orders = into(events, 'orders.{shop}.{id}', {
  from: shop.topic('orders'),
  params: (message) => {
    holds<Equal<typeof message.key, Uint8Array | undefined>>()
    holds<Equal<typeof message.data, unknown>>()
    return { shop: message.headers.get('shop') ?? 'none', id: percent.encode(message.key) }
  },
  tombstone: () => ({ total: '0' }),
  deadLetter: rabbit.queue('dead'),
})
const paid = outOf(events, 'orders.{shop}.{id}', {
  to: rabbit.exchange('paid'),
  key: (e) => {
    holds<Equal<typeof e.data, { total: number }>>()
    holds<Equal<typeof e.params.id, string>>()
    return e.params.shop
  },
  ordered: ['shop'],
  params: { shop: 'berlin' },
})
relay(events, { orders, paid }, { transport }).status[0]?.lag?.toFixed()

// @ts-expect-error unknown event
into(events, 'orders.{shop}', { from: shop.topic('orders'), params: () => ({ shop: 'x' }) })
// @ts-expect-error an event without a stream
into(events, 'system.tick', { from: shop.topic('orders'), params: () => ({}) })
// @ts-expect-error a param is missing
into(events, 'orders.{shop}.{id}', { from: shop.topic('orders'), params: () => ({ shop: 'x' }) })
// @ts-expect-error a param is not text
into(events, 'orders.{shop}.{id}', { from: shop.topic('orders'), params: () => ({ shop: 'x', id: 1 }) })
const params = () => ({ shop: 'x', id: 'y' })
// @ts-expect-error a tombstone becomes the event's data
into(events, 'orders.{shop}.{id}', { from: shop.topic('orders'), params, tombstone: () => ({ total: 0 }) })
// @ts-expect-error an exchange cannot be read
into(events, 'orders.{shop}.{id}', { from: rabbit.exchange('orders'), params })
// @ts-expect-error unknown param
outOf(events, 'orders.{shop}.{id}', { to: shop.topic('paid'), ordered: 'city' })
// @ts-expect-error a key is text or bytes
outOf(events, 'orders.{shop}.{id}', { to: shop.topic('paid'), key: (e) => e.data.total })
// @ts-expect-error an event without a stream
outOf(events, 'system.tick', { to: shop.topic('paid') })
