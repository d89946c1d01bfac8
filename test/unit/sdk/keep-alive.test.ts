import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { webSocket } from '../../../sdk/transport/websocket.ts'

const listeners = new Map<string, () => void>()

/** A server as a client sees it: greets, and answers while it is told to. */
class ScriptedSocket {
  static last: ScriptedSocket
  static dials = 0
  binaryType = ''
  answers = true
  closed = false
  pings = 0
  onmessage: ((event: { data: ArrayBuffer }) => void) | null = null
  onclose: ((event: { code: number; reason: string }) => void) | null = null
  constructor() {
    ScriptedSocket.last = this
    ScriptedSocket.dials++
    setTimeout(() => this.say('INFO {"max_payload":1024}'))
  }
  say(line: string): void {
    this.onmessage?.({ data: new TextEncoder().encode(`${line}\r\n`).buffer })
  }
  send(bytes: Uint8Array): void {
    for (const line of new TextDecoder().decode(bytes).split('\r\n')) {
      if (line !== 'PING') continue
      this.pings++
      if (this.answers) setTimeout(() => this.say('PONG'))
    }
  }
  close(): void {
    this.closed = true
  }
}

beforeEach(() => {
  vi.useFakeTimers()
  ScriptedSocket.dials = 0
  vi.stubGlobal('WebSocket', ScriptedSocket)
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
