/** `conflate: true` before the first connection, when it is not known whether the server is a bridge. */
import { expect, it, vi } from 'vitest'
import * as z from 'zod'
import { connect, defineEvents } from '../../../../sdk/index.ts'
import { eventually } from '../../../support/eventually.ts'
import { createMemoryTransport } from '../memory-transport.ts'

const events = defineEvents({ 'prices.{id}': z.object({}) })

/** Returns a bus without a connection, with a waiting subscription. */
async function setUp() {
  const transport = createMemoryTransport()
  const bus = connect({ transport, events })
  const ends: Error[] = []
  const handle = bus.on('prices.{id}', () => {}, { conflate: true, onEnd: (error) => ends.push(error) })
  const onStatus = vi.spyOn(transport, 'onStatus')
  await eventually(() => onStatus.mock.calls.length > 0, { what: 'the subscription to wait' })
  return { bus, handle, ends }
}

it('onEnd is not called after unsubscribe when the bus is closed', async () => {
  const { bus, handle, ends } = await setUp()
  handle.unsubscribe()
  await expect(handle.ready).rejects.toMatchObject({ code: 'aborted' })
  await bus.close()
  await new Promise((resolve) => setTimeout(resolve))
  expect(ends).toEqual([])
})

it('drain ends the waiting subscription', async () => {
  const { bus, handle, ends } = await setUp()
  await bus.drain()
  await expect(handle.ready).rejects.toMatchObject({ code: 'aborted' })
  expect(ends).toEqual([])
})
