/** The iterator of `bus.latest`. */
import { expect, it } from 'vitest'
import * as z from 'zod'
import { connect, defineEvents } from '../../../../sdk/index.ts'
import { eventually } from '../../../support/eventually.ts'
import { createScriptedEdge } from '../scripted-edge.ts'

const events = defineEvents({ 'kept.{id}': z.object({ id: z.number() }) }, { stream: 'S' })

/** Returns a view with one value. */
async function setUp() {
  const edge = createScriptedEdge()
  edge.publish('kept.1', 1)
  const totals = connect({ transport: edge.transport, events }).latest('kept.{id}')
  await eventually(() => edge.replays.length === 1, { what: 'the replay' })
  while (edge.deliver());
  await totals.ready
  return totals
}

it('ends a pending next() on return()', async () => {
  const reading = (await setUp())[Symbol.asyncIterator]()
  expect((await reading.next()).value?.data).toEqual({ id: 1 })
  const next = reading.next()
  await reading.return?.()
  expect(await next).toEqual({ done: true, value: undefined })
})

it('ends when a ReadableStream of it is cancelled', async () => {
  // Missing in TypeScript's DOM types.
  const { from } = ReadableStream as unknown as { from<Value>(values: AsyncIterable<Value>): ReadableStream<Value> }
  const reader = from.call(ReadableStream, await setUp()).getReader() as ReadableStreamDefaultReader
  await reader.read()
  const next = reader.read()
  await reader.cancel()
  expect(await next).toEqual({ done: true, value: undefined })
})
