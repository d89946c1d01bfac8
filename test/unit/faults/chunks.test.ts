import { expect, it, vi } from 'vitest'
import * as z from 'zod'
import { connect, defineEvents, webSocket } from '../../../sdk/index.ts'
import { createMemoryTransport } from '../sdk/memory-transport.ts'

// A page that was deployed anew: the chunks of the old one are gone.
vi.mock('../../../sdk/transport/token-refresh.ts', () => {
  throw new TypeError('Failed to fetch dynamically imported module')
})
vi.mock('../../../sdk/bus/interruptions.ts', () => {
  throw new TypeError('Failed to fetch dynamically imported module')
})
const events = defineEvents({ 'live.{id}': z.object({}) })

async function unhandledDuring(run: () => Promise<void>): Promise<unknown[]> {
  const unhandled: unknown[] = []
  const listen = (error: unknown) => void unhandled.push(error)
  const others = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection')
  process.on('unhandledRejection', listen)
  await run()
  await new Promise((resolve) => setTimeout(resolve, 200))
  process.removeListener('unhandledRejection', listen)
  for (const other of others) process.on('unhandledRejection', other)
  return unhandled
}

it('a chunk for fresh tokens that is gone is no unhandled rejection', async () => {
  const unhandled = await unhandledDuring(async () => {
    let socket: { onmessage?: (event: { data: ArrayBuffer }) => void } = {}
    const say = (line: string) => socket.onmessage?.({ data: new TextEncoder().encode(`${line}\r\n`).buffer })
    const transport = webSocket({
      url: 'ws://localhost',
      token: () => 'a.b.c',
      openSocket: () => {
        socket = { binaryType: '', send: () => {}, close: () => {} } as never
        setTimeout(() => say('INFO {"max_payload":1024,"edge":{"upstream":"open"}}'))
        return socket as never
      },
    })
    await new Promise((resolve) => setTimeout(resolve, 200))
    await transport.close()
  })
  expect(unhandled).toEqual([])
})

it('nor is one for interruptions', async () => {
  const unhandled = await unhandledDuring(async () => {
    const bus = connect({ transport: createMemoryTransport(), events, onGap: () => {} })
    bus.on('live.{id}', () => {})
    await new Promise((resolve) => setTimeout(resolve, 200))
    await bus.close()
  })
  expect(unhandled).toEqual([])
})
