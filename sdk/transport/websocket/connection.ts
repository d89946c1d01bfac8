import { lazy, preload } from '../../kit/lazy.ts'
import { encodeFrame, join } from '../../wire/bytes.ts'
import { SpanwireError } from '../../wire/errors.ts'
import type { ServerInfo } from '../../wire/server-op.ts'
import { createServerReader, type ServerHandler } from '../../wire/server-reader.ts'
import type { LinkSocket } from '../link-socket.ts'
import type { ConnectionFault } from './incidents.ts'

/** Longest silence of a server after a page is shown again, in ms. */
const PROBE = 5_000
/** In bytes. A bridge refuses WebSocket messages of more than twice its `max_payload`. */
const MAX_FRAME = 65_536
const PING = encodeFrame('PING')

// Not part of the first load: the first live connection loads it.
const incidents = lazy(() => import('./incidents.ts'))

type Incidents = typeof import('./incidents.ts')

/** Receives the operations of a server. `lost` is the last call. */
export interface ConnectionHandler extends Pick<ServerHandler, 'message'> {
  informed(info: ServerInfo): void
  /** The server confirmed the oldest PING. */
  ponged(): void
  /** Returns a function that reads an `-ERR` and returns its fault, if it is about the connection. */
  erred(text: string): (module: Incidents) => ConnectionFault | undefined
  /** A PING is due: {@link Connection.ping} must be called soon. */
  beat(): void
  /** The connection ended. Called once. */
  lost(error: SpanwireError): void
}

/** One WebSocket that speaks NATS, from its opening to its end. */
export interface Connection {
  /** Whether the server has answered the first PING. */
  readonly isLive: boolean
  /** Gathers bytes until the next `ping`. */
  send(bytes: Uint8Array): void
  /** Sends the gathered bytes, followed by a PING. */
  ping(): void
  /** The server answered the first PING: the heartbeat begins. */
  start(): void
  /** Checks whether the server still answers, as after a sleep of the device. */
  probe(): void
  /** Calls `run` with the module for incidents. Calls of `inTurn` wait for it. */
  handle(run: (module: Incidents) => ConnectionFault | undefined): void
  /** Calls `run` after the incidents that came before. */
  inTurn(run: () => void): void
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
  /** Set while an incident is handled. */
  let handling: Promise<void> | undefined

  const flush = () => {
    // A socket that is closing ignores it.
    if (size > 0 && !ended) socket.send(join(chunks) as Uint8Array<ArrayBuffer>)
    chunks = []
    size = 0
  }
  const beat = () => {
    if (silent) return connection.end(new SpanwireError('connection-lost', 'The server has stopped answering.'))
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
      else if (verb === 'PONG') on.ponged()
      else if (verb === 'INFO') on.informed(JSON.parse(text))
      else if (verb === '-ERR') connection.handle(on.erred(text))
    },
  })

  socket.binaryType = 'arraybuffer'
  socket.onmessage = ({ data }: { data: ArrayBuffer }) => {
    answered = true
    silent = false
    try {
      if (!ended) read(new Uint8Array(data))
    } catch (cause) {
      connection.end(new SpanwireError('protocol-violation', 'The server does not use the NATS protocol.', { cause }))
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
    get isLive() {
      return !!timer
    },
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
      preload(incidents)
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
    handle(run) {
      const own = incidents((module) => {
        const about = run(module)
        if (!about) return
        fault = about.error
        if (about.credentials) connection.end(fault)
      })
        .catch(connection.end)
        .then(() => {
          if (handling === own) handling = undefined
        })
      handling = own
    },
    inTurn(run) {
      if (handling) handling.then(run)
      else run()
    },
    end(error) {
      if (ended) return
      flush()
      ended = true
      clearTimeout(timer)
      socket.close()
      connection.inTurn(() => on.lost(fault ?? error))
    },
  }
  return connection
}
