import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { webSocket } from '../../../../../sdk/transport/websocket/websocket.ts'
import { ScriptedSocket, stubWebSocket } from '../../scripted-socket.ts'

beforeEach(() => {
  vi.useFakeTimers()
  stubWebSocket()
})
afterEach(() => {
  ScriptedSocket.silence = 0
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

describe('a WebSocket that brings no bytes for 4 s', () => {
  /** A bridge that answers HTTP requests after `latency` ms. Each has an address of its own, because examinations are shared. */
  async function openedBy(address: string, latency: number) {
    ScriptedSocket.silence = 4_000
    const fetched = vi.fn(async (url: string) => {
      await new Promise((resolve) => setTimeout(resolve, latency))
      return String(url).endsWith('/healthz') ? Response.json({ status: 'ok' }) : new Response('')
    })
    vi.stubGlobal('fetch', fetched)
    const transport = webSocket({ url: address, random: () => 0 })
    // The module is loaded in real time.
    await import('../../../../../sdk/transport/websocket/fallback.ts')
    await vi.advanceTimersByTimeAsync(3_900)
    const before = { dials: ScriptedSocket.dials, state: transport.status.state, fetched: fetched.mock.calls.length }
    await vi.advanceTimersByTimeAsync(4_100)
    const state = transport.status.state
    await transport.close()
    return { before, dials: ScriptedSocket.dials, state }
  }

  it('is kept while the bridge answers other requests late, as it does with many clients to admit', async () => {
    const { before, dials, state } = await openedBy('http://busy.test', 1_500)
    expect(before).toEqual({ dials: 1, state: 'connecting', fetched: 1 })
    expect([dials, state]).toEqual([1, 'open'])
  })

  it('is given up once another request overtakes it, because the network may block WebSockets', async () => {
    const { before } = await openedBy('http://blocked.test', 100)
    expect(before.fetched).toBeGreaterThan(1)
    expect(before.state).not.toBe('open')
  })
})

it('the loss of a connection does not count as a failed attempt: the next one comes without an examination of the bridge', async () => {
  const fetched = vi.fn(async () => Response.json({ status: 'ok' }))
  vi.stubGlobal('fetch', fetched)
  const transport = webSocket({ url: 'http://lost.test', random: () => 0 })
  await vi.advanceTimersByTimeAsync(10)
  ScriptedSocket.last.onclose?.({ code: 1006, reason: '' } as CloseEvent)
  await vi.advanceTimersByTimeAsync(1_000)
  expect([transport.status.state, ScriptedSocket.dials, fetched.mock.calls.length]).toEqual(['open', 2, 0])
  await transport.close()
})
