import { afterEach, expect, it, vi } from 'vitest'
import { createMux } from '../../../sdk/share/mux.ts'
import type { Port, PortMessage } from '../../../sdk/share/port.ts'

afterEach(() => void vi.unstubAllGlobals())

it('keeps nothing of subscriptions that are over', async () => {
  let socket: Scripted | undefined
  class Scripted {
    sent = ''
    onmessage: ((event: { data: ArrayBuffer }) => void) | null = null
    onclose = null
    constructor() {
      socket = this
    }
    say(line: string) {
      this.onmessage?.({ data: new TextEncoder().encode(`${line}\r\n`).buffer })
    }
    send(bytes: Uint8Array) {
      const text = new TextDecoder().decode(bytes)
      this.sent += text
      for (const line of text.split('\r\n')) if (line === 'PING') this.say('PONG')
    }
    close() {}
  }
  vi.stubGlobal('WebSocket', Scripted)
  const mux = createMux('ws://localhost', 'websocket')
  const port: Port = { post: (_: PortMessage) => {}, receive: () => {} }
  mux.join(port)
  await new Promise((resolve) => setTimeout(resolve, 10))
  socket?.say('INFO {"max_payload":1024}')
  const say = (text: string) => port.receive(new TextEncoder().encode(text).buffer as ArrayBuffer)
  say('CONNECT {}\r\nPING\r\n')
  for (let sid = 1; sid <= 1_000; sid++) say(`SUB a ${sid}\r\nPING\r\nUNSUB ${sid}\r\nPING\r\n`)
  if (socket) socket.sent = ''
  mux.leave(port)
  expect(socket?.sent).toBe('')
})
