import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { webSocket } from '../../../../../sdk/transport/websocket/websocket.ts'
import { ScriptedSocket, stubWebSocket } from '../../scripted-socket.ts'

const listeners = new Map<string, () => void>()

beforeEach(() => {
  vi.useFakeTimers()
  stubWebSocket()
  vi.stubGlobal('addEventListener', (name: string, listener: () => void) => listeners.set(name, listener))
  vi.stubGlobal('removeEventListener', (name: string) => listeners.delete(name))
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

async function opened() {
  const transport = webSocket({ url: 'ws://localhost', backoff: { first: 60_000, longest: 60_000 }, random: () => 1 })
  await vi.advanceTimersByTimeAsync(10)
  expect(transport.status.state).toBe('open')
  return transport
}

it('a server that falls silent is given up at the second beat at the latest', async () => {
  const transport = await opened()
  ScriptedSocket.last.answers = false
  await vi.advanceTimersByTimeAsync(49_900)
  expect(transport.status.state).toBe('open')
  await vi.advanceTimersByTimeAsync(200)
  expect(transport.status).toMatchObject({ state: 'reconnecting', reason: { code: 'connection-lost' } })
  expect(ScriptedSocket.last.closed).toBe(true)
  await transport.close()
})

it('one that says anything at all is there, however long its PONG takes', async () => {
  const transport = await opened()
  const socket = ScriptedSocket.last
  socket.answers = false
  for (let i = 0; i < 10; i++) {
    await vi.advanceTimersByTimeAsync(20_000)
    socket.say('PING')
  }
  expect(transport.status.state).toBe('open')
  await transport.close()
})

it('when the browser is online again a dead connection is noticed in 5 s, and a live one stays', async () => {
  const transport = await opened()
  listeners.get('online')?.()
  await vi.advanceTimersByTimeAsync(6_000)
  expect(transport.status.state).toBe('open')
  ScriptedSocket.last.answers = false
  listeners.get('online')?.()
  await vi.advanceTimersByTimeAsync(4_900)
  expect(transport.status.state).toBe('open')
  await vi.advanceTimersByTimeAsync(200)
  expect(transport.status.state).toBe('reconnecting')
  // The wait of a minute is cut short.
  listeners.get('online')?.()
  await vi.advanceTimersByTimeAsync(10)
  expect([transport.status.state, ScriptedSocket.dials]).toEqual(['open', 2])
  await transport.close()
  expect(listeners.size).toBe(0)
})

it('a dead connection is noticed however often the page is seen again', async () => {
  const transport = await opened()
  ScriptedSocket.last.answers = false
  for (let i = 0; i < 3; i++) {
    listeners.get('online')?.()
    await vi.advanceTimersByTimeAsync(3_000)
  }
  await vi.advanceTimersByTimeAsync(10)
  expect([transport.status.state, ScriptedSocket.dials]).toEqual(['open', 2])
  await transport.close()
})

it('no limit of time is too long for a connection', async () => {
  const token = () => new Promise<string>((resolve) => setTimeout(resolve, 1_000, 'token'))
  const transport = webSocket({ url: 'ws://localhost', token, connectTimeout: Number.POSITIVE_INFINITY })
  await vi.advanceTimersByTimeAsync(1_100)
  expect([transport.status.state, ScriptedSocket.dials]).toEqual(['open', 1])
  await transport.close()
})

// The ping of waking, or of its probe 5 s later, is not silence to a beat that is due before the PONG.
it.each([24_990, 19_990])('a live connection stays when a page is seen again %d ms after it opened', async (after) => {
  const transport = await opened()
  ScriptedSocket.latency = 100
  await vi.advanceTimersByTimeAsync(after - 10)
  listeners.get('online')?.()
  await vi.advanceTimersByTimeAsync(60_000)
  expect([transport.status.state, ScriptedSocket.dials]).toEqual(['open', 1])
  await transport.close()
})
