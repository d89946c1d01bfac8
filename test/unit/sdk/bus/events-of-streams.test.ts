/** Events of streams, except replays. */
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

/** Returns a bus whose stream acknowledges every event, and the calls of the transport in order. */
function setUp() {
  const calls: string[] = []
  const transport = {
    ...createMemoryTransport(),
    async request(subject: string, payload: Uint8Array) {
      calls.push(`${subject} ${[...payload]}`)
      return { subject, payload: new TextEncoder().encode('{"stream":"S","seq":1}'), time: 0 }
    },
    async flush() {
      calls.push('flush')
    },
  }
  return { calls, bus: connect({ transport, events }) }
}

it('flush is sent after earlier publishes', async () => {
  const { calls, bus } = setUp()
  const published = bus.publish('files.{name}', { name: 'a' }, Uint8Array.of(1))
  await bus.flush()
  expect(calls).toEqual(['files.a 1', 'flush'])
  await published
})

it('changes of bytes after publish are not published', async () => {
  const { calls, bus } = setUp()
  const buffer = Uint8Array.of(1, 2)
  const published = bus.publish('files.{name}', { name: 'a' }, buffer)
  buffer.fill(9)
  await published
  expect(calls).toEqual(['files.a 1,2'])
})

it('a request of a stream event is refused, as the stream would answer it', async () => {
  const { calls, bus } = setUp()
  await expect(bus.request('quotes.{symbol}', { symbol: 'A' }, {})).rejects.toMatchObject({ code: 'unsupported' })
  expect(calls).toEqual([])
})

it('a closed bus throws connection-closed at once, with and without a stream', async () => {
  const bus = connect({ transport: createMemoryTransport(), events })
  await bus.close()
  const closed = expect.objectContaining({ code: 'connection-closed' })
  for (const name of ['kept.{id}', 'live.{id}'] as const) {
    expect(() => bus.on(name, () => {}), name).toThrow(closed)
    expect(() => bus.subscribe(name), name).toThrow(closed)
  }
})

it('onGap: undefined of a subscription falls back to onGap of connect', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  const edge = createScriptedEdge()
  edge.publish('kept.1', 1)
  const gaps: Gap[] = []
  const bus = connect({ transport: edge.transport, events, onGap: (gap) => gaps.push(gap) })
  bus.on('kept.{id}', () => {}, { from: 'all', onGap: undefined })
  await eventually(() => edge.replays.length === 1, { what: 'the replay' })
  while (edge.deliver());
  edge.recreate()
  while (edge.deliver());
  expect(gaps).toMatchObject([{ reason: 'recreated' }])
  expect(warn).not.toHaveBeenCalled()
  warn.mockRestore()
})
