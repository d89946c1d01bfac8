import { describe, expect, it } from 'vitest'
import { EventIndex, readParams } from '../../../../bridge/contract/event-index.ts'
import { json } from '../../../../sdk/index.ts'

const index = new EventIndex({
  'orders.{id}.created': json(),
  'orders.new.created': json(),
  'orders.{rest...}': json(),
  'logs.{app}.{path...}': json(),
  '{kind}.x.y': json(),
  tick: json(),
})

describe('the event of a subject', () => {
  it.each([
    ['tick', 'tick'],
    ['orders.7.created', 'orders.{id}.created'],
    ['orders.new.created', 'orders.new.created'],
    ['orders.7.paid', 'orders.{rest...}'],
    ['orders.x.y', 'orders.{rest...}'],
    ['carts.x.y', '{kind}.x.y'],
    ['tick.tock', undefined],
    ['orders', undefined],
    ['logs.a', undefined],
  ])('%s: %s', (subject, name) => {
    expect(index.find(subject)?.name).toBe(name)
  })
})

describe('the events of a filter', () => {
  it.each([
    ['>', 6],
    ['orders.>', 4],
    ['orders.*.created', 3],
    ['nothing.>', 1],
    ['other', 0],
  ])('%s: %i', (filter, count) => {
    expect(index.overlapping(filter)).toHaveLength(count)
  })
})

it.each([
  ['logs.web.a.b', { app: 'web', path: 'a.b' }],
  ['logs.web.>', { app: 'web' }],
  ['logs.*.a', { path: 'a' }],
  ['logs.web.*.b', { app: 'web' }],
  ['logs.>', {}],
  ['>', {}],
])('the params of %s', (filter, params) => {
  const [event] = index.overlapping(filter).filter(({ name }) => name === 'logs.{app}.{path...}')
  if (!event) throw new Error('no event')
  expect(readParams(event, filter)).toEqual(params)
})
