import { encodeFrame, join } from '../../wire/bytes.ts'
import { SpanwireError } from '../../wire/errors.ts'
import type { ServerInfo } from '../../wire/server-op.ts'
import { createServerReader, type ServerHandler } from '../../wire/server-reader.ts'
import type { LinkSocket } from '../link-socket.ts'

/** Longest silence of a server after a page is shown again, in ms. */
const PROBE = 5_000
/** In bytes. A bridge refuses WebSocket messages of more than twice its `max_payload`. */
const MAX_FRAME = 65_536
const PING = encodeFrame('PING')

/** Receives the operations of a server. `lost` is the last call. */
export interface ConnectionHandler extends Pick<ServerHandler, 'message'> {
  informed(info: ServerInfo): void
  /** The server confirmed the oldest round, of which it has refused a part that is not known if there is an error. */
  ponged(error: SpanwireError | undefined): void
  /** Reads an `-ERR`. Returns the error unless it names an operation. */
  erred(text: string): SpanwireError | undefined
  /** A PING is due: {@link Connection.ping} must be called soon. */
  beat(): void
  /** The connection ended. Called once. */
  lost(error: SpanwireError): void
}

/** One WebSocket that speaks NATS, from its opening to its end. */
export interface Connection {
  /** Gathers bytes until the next `ping`. */
  send(bytes: Uint8Array): void
  /** Sends the gathered bytes, followed by a PING. */
  ping(): void
  /** The server answered the first PING: the heartbeat begins. */
  start(): void
  /** Checks whether the server still answers, as after a sleep of the device. */
  probe(): void
  /** Sends the gathered bytes and ends the connection. Idempotent. */
  end(error: SpanwireError): void
}

/** @param interval between two PINGs, in ms */
export function openConnection(socket: LinkSocket, interval: number, on: ConnectionHandler): Connection {
  let chunks: Uint8Array[] = []
  let size = 0
  /** Bytes of the server arrived. */
  let answered = false
  let ended = false
  /** A PING was sent, and no bytes arrived since. */
  let silent = false
  let probing = false
  let timer: ReturnType<typeof setTimeout> | undefined
  let fault: SpanwireError | undefined

  const flush = () => {
    // A socket that is closing ignores it.
    if (size > 0 && !ended) socket.send(join(chunks) as Uint8Array<ArrayBuffer>)
    chunks = []
    size = 0
  }
  const beat = () => {
    if (silent) return connection.end(new SpanwireError('connection-lost', 'The server stopped answering.'))
    silent = true
    on.beat()
  }
  const plan = (ms: number) => {
    timer = setTimeout(() => {
      plan(interval)
      probing = false
      beat()
    }, ms)
  }
  const read = createServerReader({
    message: (sid, message) => ended || on.message(sid, message),
    operation(verb, text) {
      if (ended) return
      if (verb === 'PING') socket.send(encodeFrame('PONG') as Uint8Array<ArrayBuffer>)
      else if (verb === 'PONG') {
        const error = fault
        fault = undefined
        on.ponged(error)
      } else if (verb === 'INFO') on.informed(JSON.parse(text))
      else if (verb === '-ERR') {
        fault = on.erred(text) ?? fault
        if (fault?.code === 'authentication-failed') connection.end(fault)
      }
    },
  })

  socket.binaryType = 'arraybuffer'
  socket.onmessage = ({ data }: { data: ArrayBuffer }) => {
    answered = true
    silent = false
    try {
      if (!ended) read(new Uint8Array(data))
    } catch (cause) {
      connection.end(new SpanwireError('protocol-violation', 'The server sent no NATS.', { cause }))
    }
  }
  // An error event is always followed by a close event, which has a code.
  socket.onclose = ({ code, reason }: CloseEvent) =>
    connection.end(
      answered
        ? new SpanwireError('connection-lost', `The connection ended (${code} ${reason}).`)
        : new SpanwireError('connection-refused', 'No server answers at that address.'),
    )

  const connection: Connection = {
    send(bytes) {
      if (size + bytes.length > MAX_FRAME) flush()
      chunks.push(bytes)
      size += bytes.length
    },
    ping() {
      connection.send(PING)
      flush()
    },
    start() {
      plan(interval)
    },
    probe() {
      // Each probe decides by itself: another one would postpone its decision.
      if (!timer || probing) return
      clearTimeout(timer)
      plan(PROBE)
      probing = true
      silent = false
      beat()
    },
    end(error) {
      if (ended) return
      flush()
      ended = true
      clearTimeout(timer)
      socket.close()
      on.lost(fault ?? ((error.code === 'connection-refused' && socket.why) || error))
    },
  }
  return connection
}
