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

it('a silent server is detected by the second ping', async () => {
  const transport = await opened()
  ScriptedSocket.last.answers = false
  await vi.advanceTimersByTimeAsync(49_900)
  expect(transport.status.state).toBe('open')
  await vi.advanceTimersByTimeAsync(200)
  expect(transport.status).toMatchObject({ state: 'reconnecting', reason: { code: 'connection-lost' } })
  expect(ScriptedSocket.last.closed).toBe(true)
  await transport.close()
})

it('a server that sends any line stays connected, regardless of the delay of its PONG', async () => {
  const transport = await opened()
  const socket = ScriptedSocket.last
  socket.answers = false
  for (let i = 0; i < 10; i++) {
    await vi.advanceTimersByTimeAsync(20_000)
    socket.receive('PING')
  }
  expect(transport.status.state).toBe('open')
  await transport.close()
})

it('after an online event, a dead connection is detected within 5 s and a live one stays', async () => {
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
  // Skips the backoff of 60 s.
  listeners.get('online')?.()
  await vi.advanceTimersByTimeAsync(10)
  expect([transport.status.state, ScriptedSocket.dials]).toEqual(['open', 2])
  await transport.close()
  expect(listeners.size).toBe(0)
})

it('a dead connection is detected while the page becomes visible repeatedly', async () => {
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

it('accepts an infinite connectTimeout', async () => {
  const token = () => new Promise<string>((resolve) => setTimeout(resolve, 1_000, 'token'))
  const transport = webSocket({ url: 'ws://localhost', token, connectTimeout: Number.POSITIVE_INFINITY })
  await vi.advanceTimersByTimeAsync(1_100)
  expect([transport.status.state, ScriptedSocket.dials]).toEqual(['open', 1])
  await transport.close()
})

// A ping of the keep-alive timer that is due before the PONG of the probe must not count as silence.
it.each([24_990, 19_990])(
  'a live connection stays when the page becomes visible %d ms after it opened',
  async (after) => {
    const transport = await opened()
    ScriptedSocket.latency = 100
    await vi.advanceTimersByTimeAsync(after - 10)
    listeners.get('online')?.()
    await vi.advanceTimersByTimeAsync(60_000)
    expect([transport.status.state, ScriptedSocket.dials]).toEqual(['open', 1])
    await transport.close()
  },
)
