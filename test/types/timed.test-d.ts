/** Types of `ttl`, `at`, `every`, `publishAll` and `forget`. Checked by `tsc`, not run. */
import { expectTypeOf } from 'vitest'
import * as z from 'zod'
import type { BatchAck, Bus, Schedule, StreamAck } from '../../sdk/index.ts'
import { defineEvents, event } from '../../sdk/index.ts'

const _events = defineEvents({
  'orders.{id}.created': event(z.object({ total: z.number() }), { stream: 'ORDERS', ttl: 60_000 }),
  'orders.closed': event(z.object({}), { stream: 'ORDERS' }),
  'news.flash': z.object({ text: z.string() }),
})
declare const bus: Bus<typeof _events>
const id = '1'

expectTypeOf(bus.publish('orders.{id}.created', { id }, { total: 1 })).toEqualTypeOf<Promise<StreamAck>>()
expectTypeOf(bus.publish('orders.{id}.created', { id }, { total: 1 }, { ttl: 5_000 })).toEqualTypeOf<
  Promise<StreamAck>
>()
expectTypeOf(bus.publish('orders.{id}.created', { id }, { total: 1 }, { at: new Date() })).toEqualTypeOf<
  Promise<Schedule>
>()
expectTypeOf(bus.publish('orders.closed', {}, { every: 60_000, ttl: 5_000 })).toEqualTypeOf<Promise<Schedule>>()
expectTypeOf(bus.publish('orders.closed', {}, { every: { cron: '@daily', timeZone: 'Europe/Berlin' } })).toEqualTypeOf<
  Promise<Schedule>
>()
expectTypeOf(bus.publish('news.flash', { text: '' })).toEqualTypeOf<Promise<void>>()
// @ts-expect-error: an event without a stream has no time to live
bus.publish('news.flash', { text: '' }, { ttl: 5_000 })
// @ts-expect-error: nor a schedule
bus.publish('news.flash', { text: '' }, { at: 0 })
// @ts-expect-error: one of both
bus.publish('orders.closed', {}, { at: 0, every: 60_000 })
// @ts-expect-error: a schedule has no expectations
bus.publish('orders.closed', {}, { at: 0, expectLastSeq: 1 })
// @ts-expect-error: data of the contract
bus.publish('orders.{id}.created', { id }, { total: '1' }, { at: 0 })

expectTypeOf(
  bus.publishAll([
    { name: 'orders.{id}.created', params: { id }, data: { total: 1 }, expectLastSubjectSeq: 0, ttl: 5_000 },
    { name: 'orders.closed', data: {} },
  ]),
).toEqualTypeOf<Promise<BatchAck>>()
// @ts-expect-error: data of the contract
bus.publishAll([{ name: 'orders.{id}.created', params: { id }, data: { total: '1' } }])
// @ts-expect-error: the params are missing
bus.publishAll([{ name: 'orders.{id}.created', data: { total: 1 } }])
// @ts-expect-error: an event without a stream
bus.publishAll([{ name: 'news.flash', data: { text: '' } }])

expectTypeOf(bus.forget('orders.{id}.created', { id })).toEqualTypeOf<Promise<StreamAck>>()
expectTypeOf(bus.forget('orders.closed', { purge: true, ttl: 5_000 })).toEqualTypeOf<Promise<StreamAck>>()
// @ts-expect-error: the params are missing
bus.forget('orders.{id}.created')
// @ts-expect-error: an event without a stream
bus.forget('news.flash')
expectTypeOf(bus.cancelSchedule('orders.closed', 'x')).toEqualTypeOf<Promise<void>>()
// @ts-expect-error: an event without a stream
bus.cancelSchedule('news.flash', 'x')
