import { type } from 'arktype'
import { bytes, connect, defineEvents, event, json } from 'spanwire'
import * as v from 'valibot'
import { z } from 'zod'

export const events = defineEvents({
  'ark.{id}.created': type({ total: 'number' }),
  'ark.{id}.paid': event(type({ by: 'string' }), { stream: 'ARK' }),
  'ark.{id}.sent': event(type({ 'to?': 'string[]' }), { stream: 'ARK' }),
  'ark.{id}.get': event(type({ n: 'string.numeric.parse' }), { reply: type({ price: 'number' }) }),
  'valibot.{id}.created': v.object({ total: v.number() }),
  'valibot.{id}.get': event(v.object({}), { reply: v.object({ price: v.number() }) }),
  'zod.{id}.created': z.object({ total: z.number() }),
  'zod.{id}.paid': event(z.object({ by: z.string() }), { stream: 'ZOD' }),
  'plain.{id}': json<{ total: number }>(),
  'files.{name}': bytes(),
})
const bus = connect({ url: 'ws://localhost:1', events })
void bus.publish('ark.{id}.created', { id: '1' }, { total: 1 })
void bus.publish('valibot.{id}.created', { id: '1' }, { total: 1 })
void bus.publish('zod.{id}.created', { id: '1' }, { total: 1 })
bus.on('ark.{id}.created', (e) => e.data.total.toFixed())
bus.on('valibot.{id}.created', (e) => e.data.total.toFixed())
bus.on('plain.{id}', (e) => e.data.total.toFixed())
bus.on(['ark.{id}.paid', 'ark.{id}.sent'], (e) => (e.name === 'ark.{id}.paid' ? e.data.by.trim() : e.data.to?.length))
bus.on('zod.{id}.paid', (e) => e.seq.toFixed())
const quote = await bus.request('ark.{id}.get', { id: '1' }, { n: '1' })
quote.price.toFixed()
const other = await bus.request('valibot.{id}.get', { id: '1' }, {})
other.price.toFixed()
// @ts-expect-error
void bus.publish('ark.{id}.created', { id: '1' }, { total: '1' })
// @ts-expect-error
void bus.publish('valibot.{id}.created', { id: '1' }, { total: '1' })
// @ts-expect-error
bus.on('ark.{id}.paid', (e) => e.data.to)
