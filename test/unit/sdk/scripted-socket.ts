import { vi } from 'vitest'

/** A server as a client's WebSocket sees it: greets, and answers pings while it is told to. */
export class ScriptedSocket {
  /** What it greets with. */
  static info: object = {}
  /** How long an answer takes, in ms. */
  static latency = 0
  static dials = 0
  static last: ScriptedSocket

  binaryType = ''
  onmessage: ((event: { data: ArrayBuffer }) => void) | null = null
  onclose: ((event: { code: number; reason: string }) => void) | null = null
  answers = true
  closed = false
  /** The lines that the client sent. */
  sent: string[] = []

  constructor() {
    ScriptedSocket.last = this
    ScriptedSocket.dials++
    setTimeout(() => this.say(`INFO ${JSON.stringify({ max_payload: 1024, ...ScriptedSocket.info })}`))
  }

  say(line: string): void {
    this.onmessage?.({ data: new TextEncoder().encode(`${line}\r\n`).buffer })
  }

  send(bytes: Uint8Array): void {
    const lines = new TextDecoder().decode(bytes).split('\r\n').filter(Boolean)
    this.sent.push(...lines)
    for (const line of lines)
      if (line === 'PING' && this.answers) setTimeout(() => this.say('PONG'), ScriptedSocket.latency)
  }

  close(): void {
    this.closed = true
  }
}

/** In the place of the runtime's WebSocket until `vi.unstubAllGlobals()`. */
export function stubWebSocket(info: object = {}): void {
  ScriptedSocket.info = info
  ScriptedSocket.latency = 0
  ScriptedSocket.dials = 0
  vi.stubGlobal('WebSocket', ScriptedSocket)
}
