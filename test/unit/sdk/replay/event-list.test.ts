import { expect, it, vi } from 'vitest'
import * as z from 'zod'
import { connect, defineEvents, event, SpanwireError } from '../../../../sdk/index.ts'
import { JetStreamApi, toFilters } from '../../../../sdk/jetstream/api.ts'
import { eventually } from '../../../support/eventually.ts'
import { createMemoryTransport } from '../memory-transport.ts'
import { createScriptedEdge } from '../scripted-edge.ts'

const schema = z.object({ id: z.number() })
const events = defineEvents({
  'orders.{id}.created': event(schema, { stream: 'ORDERS' }),
  'orders.{id}.paid': event(schema, { stream: 'ORDERS' }),
  'orders.{id}.{what}': event(schema, { stream: 'ORDERS' }),
  'orders.first.{what}': event(schema, { stream: 'ORDERS' }),
  'chat.{room}': event(schema, { stream: 'CHAT' }),
  tick: schema,
})
type Name = keyof typeof events

/** Subscribes without types. Returns the reason why the subscription ended. */
async function refusalOf(names: readonly Name[], options: object = {}): Promise<SpanwireError> {
  const bus = connect({ events, transport: createMemoryTransport() })
  return new Promise((resolve, reject) => {
    const onEnd = (error: Error) => (error instanceof SpanwireError ? resolve(error) : reject(error))
    bus.on(names as never, () => {}, { ...options, onEnd } as never)
  })
}

it('refuses events without a stream, of several streams, with overlaps, and in queue groups', async () => {
  const refused = [
    [['tick', 'chat.{room}'], /tick, chat\.\{room\} are not events of one stream/],
    [[], /A list of events has 1 to 32 names/],
    [['chat.{room}', 'orders.{id}.paid'], /are not events of one stream/],
    [['orders.{id}.created', 'orders.first.{what}'], /orders\.\*\.created and orders\.first\.\* overlap/],
  ] as const
  for (const [names, message] of refused)
    expect(await refusalOf(names)).toMatchObject({ code: 'invalid-argument', message: expect.stringMatching(message) })
  const queued = await refusalOf(['orders.{id}.created', 'orders.{id}.paid'], { queue: 'q' })
  expect(queued).toMatchObject({
    code: 'invalid-argument',
    message: expect.stringContaining('A queue group has no order'),
  })
})

it('throws at once for unknown names and invalid params', () => {
  const bus = connect({ events, transport: createMemoryTransport() })
  const on = (...args: unknown[]) => Reflect.apply(bus.on, bus, args)
  const call = () => {}
  expect(() => on(['orders.{id}.paid', 'nothing'], call)).toThrow(expect.objectContaining({ code: 'unknown-event' }))
  expect(() => on(['orders.{id}.paid', 'orders.{id}.created'], { id: 'a.b' }, call)).toThrow(
    expect.objectContaining({ code: 'invalid-params' }),
  )
})

it('delivers an event by the first name in the list that matches, and decodes each by its own schema', async () => {
  const edge = createScriptedEdge()
  const bus = connect({ events, transport: edge.transport })
  const handler = vi.fn()
  bus.on(['orders.{id}.paid', 'orders.{id}.{what}'], ({ name, params, data }) => handler(name, params, data.id), {
    from: 'all',
  })
  edge.publish('orders.1.paid', 1)
  edge.publish('orders.1.sent', 2)
  await eventually(() => edge.replays.length === 1)
  while (edge.deliver());
  expect(edge.replays).toEqual(['$EDGE.REPLAY.all.orders.*.*'])
  expect(handler.mock.calls).toEqual([
    ['orders.{id}.paid', { id: '1' }, 1],
    ['orders.{id}.{what}', { id: '1', what: 'sent' }, 2],
  ])
})

it('names the required version if nats-server ignores several filters, and deletes the consumer', async () => {
  const deleted = vi.fn()
  // nats-server 2.9 returns the configuration without the field that it does not support.
  const answer = new TextEncoder().encode(JSON.stringify({ name: 'c', config: {}, num_pending: 9 }))
  const api = new JetStreamApi({
    request: async (subject) => ({ subject, payload: answer }),
    subscribe: () => () => {},
    publish: deleted,
    newInbox: () => '_INBOX.x',
  })
  await expect(api.createConsumer('S', toFilters('a b'))).rejects.toMatchObject({
    code: 'unsupported',
    message: expect.stringContaining('nats-server 2.10'),
  })
  expect(deleted.mock.calls[0]?.[0]).toBe('$JS.API.CONSUMER.DELETE.S.c')
  await expect(api.createConsumer('S', toFilters('a'))).resolves.toEqual({ name: 'c', pending: 9 })
})
