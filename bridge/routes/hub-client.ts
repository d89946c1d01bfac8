import { Framer } from '../../sdk/protocol/framer.ts'
import { parseServerOp, type ServerInfo, type ServerOp } from '../../sdk/protocol/server-op.ts'
import type { HubLineHandler } from './hub-line.ts'

/** A message of the hub. */
export interface HubMessage {
  readonly sid: string
  readonly subject: string
  readonly reply?: string | undefined
  readonly headerBlock?: Uint8Array | undefined
  readonly payload: Uint8Array
}

/** Who hears what the hub says on a line, one operation at a time. None may throw, and none is called after `closed`. */
export interface HubClientHandler {
  info(info: ServerInfo): void
  message(message: HubMessage): void
  error(text: string): void
  ping(): void
  pong(): void
  closed(): void
}

/** Longest control line of a hub, in bytes. */
const MAX_LINE = 65_536

/** Reads what a hub sends. */
export function readHub(handler: HubClientHandler): HubLineHandler {
  let op: Extract<ServerOp, { verb: 'MSG' }> | undefined
  const framer = new Framer(
    {
      line: (line) => {
        const next = parseServerOp(line)
        if (next.verb === 'MSG') op = next
        else if (next.verb === 'INFO') handler.info(next.info)
        else if (next.verb === '-ERR') handler.error(next.message)
        else if (next.verb === 'PING') handler.ping()
        else if (next.verb === 'PONG') handler.pong()
        return next.verb === 'MSG' ? next.size : -1
      },
      payload: (bytes) => {
        const { sid, subject, reply, headerSize } = op as NonNullable<typeof op>
        handler.message({
          sid,
          subject,
          reply,
          headerBlock: headerSize > 0 ? bytes.subarray(0, headerSize) : undefined,
          payload: bytes.subarray(headerSize),
        })
      },
    },
    MAX_LINE,
  )
  let broken = false
  return {
    bytes: (bytes) => {
      if (broken) return
      try {
        framer.push(bytes)
      } catch {
        // Not ours to explain: the reader comes again, to a hub that speaks NATS.
        broken = true
        handler.closed()
      }
    },
    closed: () => handler.closed(),
  }
}
