import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { webSocket } from '../../../sdk/transport/websocket.ts'

const listeners = new Map<string, () => void>()

/** A server as a client sees it: greets, and answers while it is told to. */
class ScriptedSocket {
  static last: ScriptedSocket
  static dials = 0
  static latency = 0
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
      if (this.answers) setTimeout(() => this.say('PONG'), ScriptedSocket.latency)
    }
  }
  close(): void {
    this.closed = true
  }
}

beforeEach(() => {
  vi.useFakeTimers()
  ScriptedSocket.dials = 0
  ScriptedSocket.latency = 0
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

it.each([24_990, 19_990])('a live connection stays when a page is seen again %d ms after it opened', async (after) => {
  const transport = await opened()
  ScriptedSocket.latency = 100
  await vi.advanceTimersByTimeAsync(after - 10)
  listeners.get('online')?.()
  await vi.advanceTimersByTimeAsync(60_000)
  expect([transport.status.state, ScriptedSocket.dials]).toEqual(['open', 1])
  await transport.close()
})
