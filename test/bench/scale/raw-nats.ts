import { connect as openTcp, type Socket } from 'node:net'
import { eventually } from '../../support/eventually.ts'

/** A NATS client of a few bytes, because only servers are measured. */
export class RawNats {
  readonly #socket: Socket
  received = 0
  #pongs = 0

  private constructor(socket: Socket) {
    this.#socket = socket
  }

  static async open(url: string): Promise<RawNats> {
    const { hostname, port } = new URL(url)
    const socket = openTcp(Number(port), hostname)
    const client = new RawNats(socket)
    const count = messageCounter()
    socket.on('data', (chunk: Buffer) => {
      if (chunk.includes('PING\r\n')) socket.write('PONG\r\n')
      if (chunk.includes('PONG\r\n')) client.#pongs++
      client.received += count(chunk)
    })
    await new Promise((resolve) => socket.once('connect', resolve))
    socket.write('CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n')
    return client
  }

  send(text: string): void {
    this.#socket.write(text)
  }

  async flush(): Promise<void> {
    const before = this.#pongs
    this.send('PING\r\n')
    await eventually(() => this.#pongs > before, { deadline: 60_000 })
  }

  close(): void {
    this.#socket.destroy()
  }
}

/** A message of a publisher. */
export const publication = (subject: string, payload: string) =>
  `PUB ${subject} ${Buffer.byteLength(payload)}\r\n${payload}\r\n`

/** Counts the messages in chunks of a connection. A chunk may end within the verb. */
export function messageCounter(): (chunk: Buffer) => number {
  let tail: Buffer = Buffer.alloc(0)
  return (chunk) => {
    const bytes = Buffer.concat([tail, chunk])
    tail = bytes.subarray(-3)
    let count = 0
    for (let at = bytes.indexOf('MSG '); at >= 0; at = bytes.indexOf('MSG ', at + 4)) count++
    return count
  }
}
