import { vi } from 'vitest'

/** A WebSocket with a scripted server: it sends INFO, and answers pings while `answers` is true. */
export class ScriptedSocket {
  /** Additional fields of INFO. */
  static info: object = {}
  /** Latency of answers, in ms. */
  static latency = 0
  /** Time until INFO, in ms. */
  static silence = 0
  static dials = 0
  static last: ScriptedSocket

  binaryType = ''
  onmessage: ((event: { data: ArrayBuffer }) => void) | null = null
  onclose: ((event: { code: number; reason: string }) => void) | null = null
  answers = true
  closed = false
  /** Lines sent by the client. */
  sent: string[] = []

  constructor() {
    ScriptedSocket.last = this
    ScriptedSocket.dials++
    const info = `INFO ${JSON.stringify({ max_payload: 1024, ...ScriptedSocket.info })}`
    setTimeout(() => this.receive(info), ScriptedSocket.silence)
  }

  /** Delivers a line of the server. */
  receive(line: string): void {
    this.onmessage?.({ data: new TextEncoder().encode(`${line}\r\n`).buffer })
  }

  send(bytes: Uint8Array): void {
    const lines = new TextDecoder().decode(bytes).split('\r\n').filter(Boolean)
    this.sent.push(...lines)
    for (const line of lines)
      if (line === 'PING' && this.answers) setTimeout(() => this.receive('PONG'), ScriptedSocket.latency)
  }

  close(): void {
    this.closed = true
  }
}

/** Replaces the global WebSocket until `vi.unstubAllGlobals()`. */
export function stubWebSocket(info: object = {}): void {
  ScriptedSocket.info = info
  ScriptedSocket.latency = 0
  ScriptedSocket.dials = 0
  vi.stubGlobal('WebSocket', ScriptedSocket)
}
