import type { ServerInfo } from '../../sdk/wire/server-op.ts'
import { createServerReader, type ServerMessage } from '../../sdk/wire/server-reader.ts'
import type { HubLineHandler } from './hub-line.ts'

/** Handles the hub's operations on a line, one at a time. No method may throw. None is called after `closed`. */
export interface HubClientHandler {
  info(info: ServerInfo): void
  message(sid: string, message: ServerMessage): void
  /** @param text the text of an `-ERR` */
  error(text: string): void
  ping(): void
  pong(): void
  /** @param reason of the close frame, or empty */
  closed(reason: string): void
  /** As {@link HubLineHandler.held}. */
  readonly held: number
  /** As {@link HubLineHandler.abort}. */
  abort(): void
}

/** Parses the bytes of a hub. */
export function readHub(handler: HubClientHandler): HubLineHandler {
  const read = createServerReader({
    message: (sid, message) => handler.message(sid, message),
    operation(verb, text) {
      if (verb === 'INFO') handler.info(JSON.parse(text))
      else if (verb === '-ERR') handler.error(text)
      else if (verb === 'PING') handler.ping()
      else if (verb === 'PONG') handler.pong()
    },
  })
  let isBroken = false
  return {
    bytes: (bytes) => {
      if (isBroken) return
      try {
        read(bytes)
      } catch {
        // The other side does not speak NATS. The client reconnects, and may reach a hub.
        isBroken = true
        handler.closed('')
      }
    },
    closed: (reason) => handler.closed(reason),
    abort: () => handler.abort(),
    get held() {
      return handler.held
    },
  }
}
