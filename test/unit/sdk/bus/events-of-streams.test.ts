/** What a bus does with events that a stream keeps, beside replaying them. */
import { expect, it, vi } from 'vitest'
import * as z from 'zod'
import { bytes, connect, defineEvents, event, type Gap } from '../../../../sdk/index.ts'
import { eventually } from '../../../support/eventually.ts'
import { createMemoryTransport } from '../memory-transport.ts'
import { createScriptedEdge } from '../scripted-edge.ts'

const events = defineEvents(
  {
    'kept.{id}': z.object({ id: z.number() }),
    'files.{name}': bytes(),
    'quotes.{symbol}': event(z.object({}), { reply: z.object({ price: z.number() }) }),
    'live.{id}': event(z.object({}), { stream: false }),
  },
  { stream: 'S' },
)

/** A bus whose stream acknowledges everything, and what the transport was asked for, in order. */
function setUp() {
  const asked: string[] = []
  const transport = {
    ...createMemoryTransport(),
    async request(subject: string, payload: Uint8Array) {
      asked.push(`${subject} ${[...payload]}`)
      return { subject, payload: new TextEncoder().encode('{"stream":"S","seq":1}'), time: 0 }
    },
    async flush() {
      asked.push('flush')
    },
  }
  return { asked, bus: connect({ transport, events }) }
}

it('flush comes after publishes that are on their way to the transport', async () => {
  const { asked, bus } = setUp()
  const published = bus.publish('files.{name}', { name: 'a' }, Uint8Array.of(1))
  await bus.flush()
  expect(asked).toEqual(['files.a 1', 'flush'])
  await published
})

it('bytes that are changed after publish don’t change what is published', async () => {
  const { asked, bus } = setUp()
  const buffer = Uint8Array.of(1, 2)
  const published = bus.publish('files.{name}', { name: 'a' }, buffer)
  buffer.fill(9)
  await published
  expect(asked).toEqual(['files.a 1,2'])
})

it('a request is refused: the stream would answer it', async () => {
  const { asked, bus } = setUp()
  await expect(bus.request('quotes.{symbol}', { symbol: 'A' }, {})).rejects.toMatchObject({ code: 'unsupported' })
  expect(asked).toEqual([])
})

it('a closed bus throws connection-closed at once, as for events that no stream keeps', async () => {
  const bus = connect({ transport: createMemoryTransport(), events })
  await bus.close()
  const closed = expect.objectContaining({ code: 'connection-closed' })
  for (const name of ['kept.{id}', 'live.{id}'] as const) {
    expect(() => bus.on(name, () => {}), name).toThrow(closed)
    expect(() => bus.subscribe(name), name).toThrow(closed)
  }
})

it('onGap: undefined of a subscription means that of connect', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  const edge = createScriptedEdge()
  edge.publish('kept.1', 1)
  const gaps: Gap[] = []
  const bus = connect({ transport: edge.transport, events, onGap: (gap) => gaps.push(gap) })
  bus.on('kept.{id}', () => {}, { from: 'all', onGap: undefined })
  await eventually(() => edge.asked.length === 1, { what: 'the replay' })
  while (edge.deliver());
  edge.recreate()
  while (edge.deliver());
  expect(gaps).toMatchObject([{ reason: 'recreated' }])
  expect(warn).not.toHaveBeenCalled()
  warn.mockRestore()
})
