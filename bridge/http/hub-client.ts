import type { ServerInfo } from '../../sdk/wire/server-op.ts'
import { createServerReader, type ServerMessage } from '../../sdk/wire/server-reader.ts'
import type { HubLineHandler } from './hub-line.ts'

/** Who hears what the hub says on a line, one operation at a time. None may throw, and none is called after `closed`. */
export interface HubClientHandler {
  info(info: ServerInfo): void
  message(sid: string, message: ServerMessage): void
  error(text: string): void
  ping(): void
  pong(): void
  closed(): void
}

/** Reads what a hub sends. */
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
  let broken = false
  return {
    bytes: (bytes) => {
      if (broken) return
      try {
        read(bytes)
      } catch {
        // Not ours to explain: the reader comes again, to a hub that speaks NATS.
        broken = true
        handler.closed()
      }
    },
    closed: () => handler.closed(),
  }
}
