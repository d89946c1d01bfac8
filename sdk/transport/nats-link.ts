import { SpanwireError } from '../errors.ts'
import { encodeFrame } from '../protocol/bytes.ts'
import { Framer } from '../protocol/framer.ts'
import { parseServerOp, type ServerInfo, type ServerOp } from '../protocol/server-op.ts'
import type { TransportMessage } from './transport.ts'

/** Longest control line of a server, in bytes. INFO lists a whole cluster's addresses. */
const MAX_LINE = 65_536

type MessageOp = Extract<ServerOp, { verb: 'MSG' }>

/** Who hears what a server says on one connection. */
export interface LinkHandler {
  info(info: ServerInfo): void
  message(sid: string, message: TransportMessage): void
  error(text: string): void
  pong(): void
  /** The connection is gone. Called once, and nothing after it. */
  lost(error: SpanwireError): void
}

/** What a link uses of a WebSocket. */
export interface LinkSocket {
  binaryType: string
  // As the DOM's types want it, which know of more than a link reads.
  // biome-ignore lint/suspicious/noExplicitAny: an event of either kind of socket
  onmessage: ((event: any) => void) | null
  // biome-ignore lint/suspicious/noExplicitAny: as above
  onclose: ((event: any) => void) | null
  send(bytes: Uint8Array<ArrayBuffer>): void
  close(): void
}

/** One WebSocket that speaks NATS, from its opening to its end. */
export class NatsLink {
  readonly #socket: LinkSocket
  readonly #handler: LinkHandler
  #ended = false

  constructor(url: string, handler: LinkHandler, socket: LinkSocket = new WebSocket(url) as LinkSocket) {
    this.#handler = handler
    this.#socket = socket
    socket.binaryType = 'arraybuffer'
    let op: MessageOp | undefined
    const framer = new Framer(
      {
        line: (line) => {
          const next = parseServerOp(line)
          if (next.verb !== 'MSG') this.#take(next)
          else op = next
          return next.verb === 'MSG' ? next.size : -1
        },
        payload: (bytes) => {
          const { sid, subject, reply, headerSize } = op as MessageOp
          if (this.#ended) return
          handler.message(sid, {
            subject,
            ...(reply && { reply }),
            ...(headerSize > 0 && { headerBlock: bytes.subarray(0, headerSize) }),
            payload: bytes.subarray(headerSize),
          })
        },
      },
      MAX_LINE,
    )
    let heard = false
    socket.onmessage = ({ data }: { data: string | ArrayBuffer }) => {
      if (this.#ended) return
      heard = true
      try {
        framer.push(typeof data === 'string' ? new TextEncoder().encode(data) : new Uint8Array(data))
      } catch (error) {
        this.end(error as SpanwireError)
      }
    }
    // An error is always followed by a close, which knows more.
    socket.onclose = ({ code, reason }: CloseEvent) =>
      this.end(
        heard
          ? new SpanwireError('connection-lost', `The connection ended (${code}${reason && `: ${reason}`}).`)
          : new SpanwireError('connection-refused', 'No server answers at that address.'),
      )
  }

  send(bytes: Uint8Array): void {
    // Once the socket is closing this does nothing, and `lost` is near.
    if (!this.#ended) this.#socket.send(bytes as Uint8Array<ArrayBuffer>)
  }

  /** Ends it for the reason given. Idempotent. */
  end(error: SpanwireError): void {
    if (this.#ended) return
    this.#ended = true
    this.#socket.close()
    this.#handler.lost(error)
  }

  #take(op: Exclude<ServerOp, MessageOp>): void {
    if (this.#ended) return
    if (op.verb === 'INFO') this.#handler.info(op.info)
    else if (op.verb === '-ERR') this.#handler.error(op.message)
    else if (op.verb === 'PONG') this.#handler.pong()
    else if (op.verb === 'PING') this.send(encodeFrame('PONG'))
  }
}
