/** `conflate: true` before it is known whether a bridge is at the other end, and what its subscription is. */
import { expect, it } from 'vitest'
import * as z from 'zod'
import { connect, defineEvents } from '../../../sdk/index.ts'
import { createMemoryTransport } from './memory-transport.ts'

const events = defineEvents({ 'prices.{id}': z.object({}) })

function setUp() {
  // Its `edge` is undefined, as that of a client which has had no connection yet.
  const bus = connect({ transport: createMemoryTransport(), events })
  const ends: Error[] = []
  const handle = bus.on('prices.{id}', () => {}, { conflate: true, onEnd: (error) => ends.push(error) })
  return { bus, handle, ends }
}

/** Its module is there, and has done what it can. */
const moment = async () => {
  await import('../../../sdk/bus/conflated.ts')
  await new Promise((resolve) => setTimeout(resolve))
}

it('who unsubscribes hears of no end when the bus is closed', async () => {
  const { bus, handle, ends } = setUp()
  await moment()
  handle.unsubscribe()
  await bus.close()
  await moment()
  expect(ends).toEqual([])
  await expect(handle.ready).rejects.toMatchObject({ code: 'aborted' })
})

it('drain ends it', async () => {
  const { bus, handle, ends } = setUp()
  await moment()
  await bus.drain()
  expect(ends).toEqual([])
  await expect(handle.ready).rejects.toMatchObject({ code: 'aborted' })
})
