import { afterEach, expect, it, vi } from 'vitest'
import * as z from 'zod'
import { createTestBridge } from '../../../bridge/testing.ts'
import { connect, defineEvents, event } from '../../../sdk/index.ts'
import { createStore } from '../../../sdk/store/store.ts'
import { createMemoryTransport } from '../sdk/memory-transport.ts'

const events = defineEvents({
  'live.{id}': z.object({ n: z.number() }),
  'kept.{id}': event(z.object({ n: z.number() }), { stream: 'S' }),
})
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
afterEach(() => void vi.restoreAllMocks())

it('a request for an event that a stream keeps is refused: the stream would answer it', async () => {
  const contract = defineEvents({
    'asked.{id}': event(z.object({}), { stream: 'A', reply: z.object({ ok: z.boolean() }) }),
  })
  await using bridge = createTestBridge()
  await bridge.ensureStreams(contract)
  const a = bridge.connect({ events: contract, as: { user: 'a' } })
  const b = bridge.connect({ events: contract, as: { user: 'b' } })
  await a.respond('asked.{id}', () => ({ ok: true })).ready
  expect(await b.request('asked.{id}', { id: '1' }, {}).catch((error) => error)).toMatchObject({ code: 'unsupported' })
})

it('one listener of a store that throws does not keep it from the others', async () => {
  vi.spyOn(console, 'error').mockImplementation(() => {})
  let change = () => {}
  const store = createStore(0, (changed) => {
    change = changed
    return { read: () => 1, stop: () => {} }
  })
  let heard = 0
  store.subscribe(() => {
    throw new Error('mine')
  })
  store.subscribe(() => heard++)
  change()
  await sleep(200)
  expect(heard).toBe(1)
})

it('a subscription to a stream of a closed bus throws as documented', async () => {
  const bus = connect({ transport: createMemoryTransport(), events })
  const other = connect({ url: 'ws://127.0.0.1:1', events })
  await bus.close()
  await other.close()
  expect(() => other.on('live.{id}', () => {})).toThrow(expect.objectContaining({ code: 'connection-closed' }))
  expect(() => other.on('kept.{id}', () => {})).toThrow(expect.objectContaining({ code: 'connection-closed' }))
})

it('bytes that change after publish do not change what is published again', async () => {
  const { bytes } = await import('../../../sdk/index.ts')
  const contract = defineEvents({ 'raw.{id}': bytes({ stream: 'R' }) })
  await using bridge = createTestBridge()
  await bridge.ensureStreams(contract)
  const tunnel = bridge.network()
  const bus = bridge.connect({ events: contract, as: { user: 'a' }, network: tunnel })
  await bus.flush()
  const data = new Uint8Array([1])
  tunnel.down()
  const published = bus.publish('raw.{id}', { id: '1' }, data)
  data[0] = 9
  tunnel.heal()
  await published
  const other = bridge.connect({ events: contract, as: { user: 'b' } })
  for await (const e of other.subscribe('raw.{id}', {}, { from: 'all' })) {
    expect([...e.data]).toEqual([1])
    break
  }
})

it('drain of a handle does not wait for what its handler promised', async () => {
  const transport = createMemoryTransport()
  const bus = connect({ transport, events })
  let handled = false
  const handle = bus.on('live.{id}', async () => {
    await sleep(50)
    handled = true
  })
  await bus.publish('live.{id}', { id: '1' }, { n: 1 })
  await handle.drain()
  expect(handled).toBe(false)
})
