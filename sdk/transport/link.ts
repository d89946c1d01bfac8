import { SpanwireError } from '../errors.ts'
import { createServerReader } from '../protocol/server-reader.ts'
import type { TransportMessage } from './transport.ts'

/** Who hears what a server says on one connection. Nothing is called after `lost`. */
export interface LinkHandler {
  message(sid: string, message: TransportMessage): void
  /** Any other operation. What comes behind it waits for the promise, which never rejects. */
  operation(verb: string, text: string): Promise<void> | undefined
  /** The connection is gone. Called once. */
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
export interface Link {
  send(bytes: Uint8Array): void
  /** Ends it for the reason given. Idempotent. */
  end(error: SpanwireError): void
}

export function openLink(socket: LinkSocket, on: LinkHandler): Link {
  let heard = false
  let ended = false
  let waiting: Promise<void> | undefined

  const end = (error: SpanwireError) => {
    if (ended) return
    ended = true
    socket.close()
    on.lost(error)
  }
  const read = createServerReader({
    message: (sid, message) => ended || on.message(sid, message),
    operation(verb, text) {
      waiting = ended
        ? undefined
        : on.operation(verb, text)?.then(() => {
            waiting = undefined
            take(new Uint8Array())
          })
      return waiting
    },
  })
  const take = (bytes: Uint8Array) => {
    try {
      if (!ended) read(bytes)
    } catch (cause) {
      end(new SpanwireError('protocol-violation', "The server doesn't speak the NATS protocol.", { cause }))
    }
  }
  const inTurn = (run: () => void): unknown => (waiting ? waiting.then(() => inTurn(run)) : run())

  socket.binaryType = 'arraybuffer'
  socket.onmessage = ({ data }: { data: ArrayBuffer }) => {
    heard = true
    inTurn(() => take(new Uint8Array(data)))
  }
  // An error is always followed by a close, which knows more.
  socket.onclose = ({ code, reason }: CloseEvent) =>
    inTurn(() =>
      end(
        heard
          ? new SpanwireError('connection-lost', `The connection ended (${code} ${reason}).`)
          : new SpanwireError('connection-refused', 'No server answers at that address.'),
      ),
    )
  return {
    // Once the socket is closing this does nothing, and `lost` is near.
    send: (bytes) => ended || socket.send(bytes as Uint8Array<ArrayBuffer>),
    end,
  }
}
