import { connect, type Socket } from 'node:net'
import { eventually } from './eventually.ts'

/** A TCP connection to an HTTP server that sends any bytes and keeps the response. */
export class RawHttp {
  readonly socket: Socket
  /** As latin1. */
  received = ''
  /** The server has ended it, or reset it. */
  isEnded = false

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk) => {
      this.received += chunk.toString('latin1')
    })
    const end = () => {
      this.isEnded = true
    }
    socket.on('end', end)
    socket.on('close', end)
    socket.on('error', () => {})
  }

  /** It closes no connection itself. The server must. */
  static async open(url: string): Promise<RawHttp> {
    const { hostname, port } = new URL(url)
    const raw = new RawHttp(connect({ host: hostname, port: Number(port), allowHalfOpen: true }))
    await new Promise((resolve, reject) => {
      raw.socket.once('connect', resolve)
      raw.socket.once('error', reject)
    })
    return raw
  }

  /** Sends bytes as they are. */
  send(bytes: string | Uint8Array): void {
    if (!this.socket.destroyed) this.socket.write(bytes)
  }

  /** Sends the head of a request, with `Host`. */
  request(line: string, headers: Readonly<Record<string, string>> = {}): void {
    const fields = Object.entries({ Host: 'bridge.example', ...headers }).map(
      ([name, value]) => `${name}: ${value}\r\n`,
    )
    this.send(`${line} HTTP/1.1\r\n${fields.join('')}\r\n`)
  }

  /** The status of the first answer. */
  async status(deadline?: number): Promise<number> {
    const what = 'an answer'
    await eventually(() => this.received.includes('\r\n\r\n'), { what, ...(deadline !== undefined && { deadline }) })
    return Number(this.received.slice(9, 12))
  }

  /** The head of the first answer. */
  get head(): string {
    return this.received.slice(0, this.received.indexOf('\r\n\r\n'))
  }

  /** Waits until the server has ended the connection. */
  async ended(deadline: number): Promise<void> {
    await eventually(() => this.isEnded, { what: 'the end of the connection', deadline })
  }

  destroy(): void {
    this.socket.destroy()
  }
}

/** One chunk of a chunked body. */
export function encodeChunk(bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')])
}
