import { SpanwireError } from '../../wire/errors.ts'
import { createServerReader, type ServerHandler } from '../../wire/server-reader.ts'
import type { LinkSocket } from '../link-socket.ts'

/** Who hears what a server says on one connection. Nothing is called after `lost`. */
export interface LinkHandler extends ServerHandler {
  /** The connection is gone. Called once. */
  lost(error: SpanwireError): void
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

  const end = (error: SpanwireError) => {
    if (ended) return
    ended = true
    socket.close()
    on.lost(error)
  }
  const read = createServerReader({
    message: (sid, message) => ended || on.message(sid, message),
    operation: (verb, text) => ended || on.operation(verb, text),
  })

  socket.binaryType = 'arraybuffer'
  socket.onmessage = ({ data }: { data: ArrayBuffer }) => {
    heard = true
    try {
      if (!ended) read(new Uint8Array(data))
    } catch (cause) {
      end(new SpanwireError('protocol-violation', "The server doesn't speak the NATS protocol.", { cause }))
    }
  }
  // An error is always followed by a close, which knows more.
  socket.onclose = ({ code, reason }: CloseEvent) =>
    end(
      heard
        ? new SpanwireError('connection-lost', `The connection ended (${code} ${reason}).`)
        : new SpanwireError('connection-refused', 'No server answers at that address.'),
    )
  return {
    // Once the socket is closing this does nothing, and `lost` is near.
    send: (bytes) => ended || socket.send(bytes as Uint8Array<ArrayBuffer>),
    end,
  }
}
