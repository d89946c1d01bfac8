import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { webSocket } from '../../../../../sdk/transport/websocket/websocket.ts'
import { ScriptedSocket, stubWebSocket } from '../../scripted-socket.ts'

beforeEach(() => {
  vi.useFakeTimers()
  stubWebSocket()
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

/** Counts dials within 20 s of a client whose connections last `ms` ms after their first PONG. */
async function dialsWhile(ms: number): Promise<number> {
  let calls = 0
  const token = () => {
    calls++
    return 'a.b.c'
  }
  const transport = webSocket({ url: 'ws://localhost', token, random: () => 1 })
  const end = performance.now() + 20_000
  let cut: ScriptedSocket | undefined
  let openSince: number | undefined
  while (performance.now() < end) {
    await vi.advanceTimersByTimeAsync(10)
    const { last } = ScriptedSocket
    if (transport.status.state !== 'open' || cut === last) continue
    openSince ??= performance.now()
    if (performance.now() - openSince < ms) continue
    cut = last
    openSince = undefined
    last.onclose?.({ code: 1006, reason: '' } as CloseEvent)
  }
  await transport.close()
  return calls
}

it('connections that end after their first PONG are dialled with a growing delay, and few calls of the token function', async () => {
  const calls = await dialsWhile(0)
  expect(calls).toBeGreaterThan(3)
  // It was 69 when each PONG reset the delay.
  expect(calls).toBeLessThan(12)
})

it('the delay begins again after a connection that has lasted for 6 s', async () => {
  // Three connections of 6 s, each dialled again after the first delay of at most 0.5 s.
  expect(await dialsWhile(6_000)).toBe(4)
})
