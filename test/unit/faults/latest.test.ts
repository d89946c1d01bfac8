import { expect, it } from 'vitest'
import * as z from 'zod'
import { connect, defineEvents } from '../../../sdk/index.ts'
import { latestStore } from '../../../sdk/store.ts'
import { createScriptedEdge } from '../sdk/scripted-edge.ts'

const events = defineEvents({ 'kept.{id}': z.object({ id: z.number() }) }, { stream: 'S' })
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

it('an iterator of latest can be ended while it waits', async () => {
  const edge = createScriptedEdge()
  edge.publish('kept.1', 1)
  const bus = connect({ transport: edge.transport, events })
  const totals = bus.latest('kept.{id}')
  await sleep(50)
  while (edge.deliver());
  await totals.ready
  const reading = totals[Symbol.asyncIterator]()
  expect((await reading.next()).value?.data).toEqual({ id: 1 })
  const next = reading.next()
  await sleep(20)
  const ended = reading.return?.().then(() => 'ended')
  expect(await Promise.race([ended, sleep(300).then(() => 'hangs')])).toBe('ended')
  expect(await next).toEqual({ done: true, value: undefined })
})

it('as a stream that is cancelled', async () => {
  const edge = createScriptedEdge()
  const bus = connect({ transport: edge.transport, events })
  const totals = bus.latest('kept.{id}')
  await sleep(50)
  while (edge.deliver());
  const reader = (ReadableStream as unknown as { from(from: unknown): ReadableStream }).from(totals).getReader()
  void reader.read()
  await sleep(20)
  const cancelled = reader.cancel().then(() => 'cancelled')
  expect(await Promise.race([cancelled, sleep(300).then(() => 'hangs')])).toBe('cancelled')
})

it('a store shows nothing of a stream that is no more', async () => {
  const edge = createScriptedEdge()
  edge.publish('kept.1', 1)
  const bus = connect({ transport: edge.transport, events })
  const store = latestStore(bus, 'kept.{id}')
  const stop = store.subscribe(() => {})
  await sleep(50)
  while (edge.deliver());
  await sleep(200)
  expect(store.getSnapshot().values.size).toBe(1)
  edge.recreate()
  while (edge.deliver());
  await sleep(300)
  expect(store.getSnapshot().values.size).toBe(0)
  stop()
})
