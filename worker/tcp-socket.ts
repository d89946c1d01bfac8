import type { NatsSocket } from '../bridge/upstream/nats-client.ts'
import { join } from '../sdk/wire/bytes.ts'
import type { SocketsModule, TcpSocket } from './runtime.ts'

/** Most bytes of one read. `node:net` reads 4 KiB here, and each read costs an event-loop turn. */
const READ = 65_536
/** Longest INFO line, in bytes. */
const MAX_INFO = 65_536

/**
 * Opens a TCP connection to NATS with the interface of a WebSocket. NATS upgrades to TLS after its INFO, and `node:tls`
 * of this runtime can't upgrade an open connection.
 * @param address host and port
 * @param secure reject a server that does not offer TLS. A server that requires TLS always gets it.
 */
export function openTcpSocket(address: string, secure: boolean): NatsSocket {
  let socket: TcpSocket | undefined
  let writer: WritableStreamDefaultWriter<Uint8Array> | undefined
  let ended = false

  const end = (error?: unknown) => {
    if (ended) return
    shim.close()
    const reason = error instanceof Error ? error.message : 'The server closed the connection.'
    // The client listens to the first before the connection is open, and to the second afterwards.
    shim.onerror?.({ message: reason, error })
    shim.onclose?.({ wasClean: false, reason })
  }
  const shim: NatsSocket = {
    binaryType: '',
    bufferedAmount: 0,
    onopen: null,
    onmessage: null,
    onerror: null,
    onclose: null,
    send(data) {
      shim.bufferedAmount += data.byteLength
      const sent = () => {
        shim.bufferedAmount -= data.byteLength
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
    if (needsTls(greeting, secure)) socket = socket.startTls()
    writer = socket.writable.getWriter()
    emit(greeting)
    const reader = socket.readable.getReader({ mode: 'byob' })
    for (let room = new ArrayBuffer(READ); ; ) {
      const { value, done } = await reader.read(new Uint8Array(room))
      if (done || ended) return end()
      // A copy of exact size. A message that is kept would otherwise keep the whole read buffer alive.
      emit(value.slice())
      room = value.buffer
    }
  }

  function emit(bytes: Uint8Array<ArrayBuffer>): void {
    if (!ended) shim.onmessage?.({ data: bytes.buffer })
  }

  run().catch(end)
  return shim
}

/** Reads the server's INFO line. The result may contain bytes that follow it. */
async function readInfo({ readable }: TcpSocket): Promise<Uint8Array<ArrayBuffer>> {
  const reader = readable.getReader()
  const chunks: Uint8Array<ArrayBuffer>[] = []
  let size = 0
  for (;;) {
    const { value, done } = await reader.read()
    if (done || size > MAX_INFO) throw new Error('The address does not respond with the INFO of a NATS server.')
    chunks.push(value)
    size += value.length
    if (!value.includes(10)) continue
    reader.releaseLock()
    return new Uint8Array(join(chunks))
  }
}

/** @throws if TLS is required here but not offered by the server */
function needsTls(greeting: Uint8Array, secure: boolean): boolean {
  const [, json = '{}'] = /^INFO (.*)/s.exec(new TextDecoder().decode(greeting)) ?? []
  const { tls_required, tls_available } = JSON.parse(json) as { tls_required?: boolean; tls_available?: boolean }
  if (secure && !tls_required && !tls_available) throw new Error('The server does not offer TLS.')
  return secure || tls_required === true
}
