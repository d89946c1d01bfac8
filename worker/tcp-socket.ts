import type { NatsSocket } from '../bridge/upstream/nats-client.ts'
import { join } from '../sdk/wire/bytes.ts'
import type { SocketsModule, TcpSocket } from './runtime.ts'

/** What one read takes at most, in bytes: TCP of `node:net` comes in pieces of 4 KiB here, each of which costs a turn. */
const READ = 65_536
/** Longest INFO line, in bytes. */
const MAX_INFO = 65_536

/**
 * A connection to NATS by TCP that looks like a WebSocket to the client: the `node:tls` of this runtime can't encrypt a
 * connection that has begun without, as NATS has it.
 * @param address host and port
 * @param secure refuse a server that doesn't offer TLS; one that requires it gets it in any case
 */
export function openTcpSocket(address: string, secure: boolean): NatsSocket {
  let socket: TcpSocket | undefined
  let writer: WritableStreamDefaultWriter<Uint8Array> | undefined
  let ended = false

  const end = (error?: unknown) => {
    if (ended) return
    face.close()
    const reason = error instanceof Error ? error.message : 'The server has closed the connection.'
    // The first is heard before the connection stands, the second after.
    face.onerror?.({ message: reason, error })
    face.onclose?.({ wasClean: false, reason })
  }
  const face: NatsSocket = {
    binaryType: '',
    bufferedAmount: 0,
    onopen: null,
    onmessage: null,
    onerror: null,
    onclose: null,
    send(data) {
      face.bufferedAmount += data.byteLength
      const sent = () => {
        face.bufferedAmount -= data.byteLength
      }
      writer?.write(new Uint8Array(data)).then(sent, end)
    },
    close() {
      ended = true
      socket?.close().catch(() => {})
    },
  }

  async function run(): Promise<void> {
    // @ts-expect-error: a module of the runtime, whose ambient types are not used here
    const { connect }: SocketsModule = await import('cloudflare:sockets')
    if (ended) return
    socket = connect(address, { secureTransport: 'starttls', allowHalfOpen: false })
    await socket.opened
    const greeting = await readInfo(socket)
    if (mayEncrypt(greeting, secure)) socket = socket.startTls()
    writer = socket.writable.getWriter()
    hear(greeting)
    const reader = socket.readable.getReader({ mode: 'byob' })
    for (let room = new ArrayBuffer(READ); ; ) {
      const { value, done } = await reader.read(new Uint8Array(room))
      if (done || ended) return end()
      // A copy of its own size: whoever keeps a message must not keep all that room.
      hear(value.slice())
      room = value.buffer
    }
  }

  function hear(bytes: Uint8Array<ArrayBuffer>): void {
    if (!ended) face.onmessage?.({ data: bytes.buffer })
  }

  run().catch(end)
  return face
}

/** The first line of a server, and what may have come with it. */
async function readInfo({ readable }: TcpSocket): Promise<Uint8Array<ArrayBuffer>> {
  const reader = readable.getReader()
  const chunks: Uint8Array<ArrayBuffer>[] = []
  let size = 0
  for (;;) {
    const { value, done } = await reader.read()
    if (done || size > MAX_INFO) throw new Error('No NATS server answers there.')
    chunks.push(value)
    size += value.length
    if (!value.includes(10)) continue
    reader.releaseLock()
    return new Uint8Array(join(chunks))
  }
}

/** @throws if TLS is wanted, and not to be had */
function mayEncrypt(greeting: Uint8Array, secure: boolean): boolean {
  const [, json = '{}'] = /^INFO (.*)/s.exec(new TextDecoder().decode(greeting)) ?? []
  const { tls_required, tls_available } = JSON.parse(json) as { tls_required?: boolean; tls_available?: boolean }
  if (secure && !tls_required && !tls_available) throw new Error("The server doesn't offer TLS.")
  return secure || tls_required === true
}
