/** Missing chunks of lazy imports, as after a new deployment of a page. */
import { afterEach, expect, it, vi } from 'vitest'
import * as z from 'zod'
import { connect, defineEvents, webSocket } from '../../../../../sdk/index.ts'
import { eventually } from '../../../../support/eventually.ts'
import { expectNoUnhandledRejections } from '../../../../support/unhandled-rejections.ts'
import { createMemoryTransport } from '../../memory-transport.ts'
import { ScriptedSocket, stubWebSocket } from '../../scripted-socket.ts'

const loaded = vi.hoisted(() => [] as string[])
vi.mock('../../../../../sdk/transport/websocket/token-refresh.ts', () => {
  loaded.push('token-refresh')
  throw new TypeError('Failed to fetch dynamically imported module')
})
vi.mock('../../../../../sdk/bus/interruptions.ts', () => {
  loaded.push('interruptions')
  throw new TypeError('Failed to fetch dynamically imported module')
})

expectNoUnhandledRejections()
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
})

it('without the chunk for token refresh, the connection stays open until its token expires', async () => {
  stubWebSocket({ edge: { upstream: 'open' } })
  const transport = webSocket({ url: 'ws://localhost', token: () => 'a.b.c' })
  await eventually(() => transport.status.state === 'open' && loaded.includes('token-refresh'))
  await new Promise((resolve) => setTimeout(resolve))
  expect(transport.status.state).toBe('open')
  await transport.close()
  expect(ScriptedSocket.dials).toBe(1)
})

it('without the chunk for interruptions, a subscription continues, and the error is reported', async () => {
  const consoleError = vi.spyOn(console, 'error').mockImplementation(() => {})
  const transport = createMemoryTransport()
  const events = defineEvents({ 'live.{id}': z.object({}) })
  const bus = connect({ transport, events, onGap: () => {} })
  const handle = bus.on('live.{id}', () => {})
  await eventually(() => consoleError.mock.calls.length > 0, { what: 'the report' })
  expect(consoleError.mock.calls).toEqual([['spanwire:', expect.any(Error)]])
  expect([...transport.subscriptions]).toEqual(['live.*'])
  handle.unsubscribe()
  expect(transport.subscriptions.size).toBe(0)
  await bus.close()
})
