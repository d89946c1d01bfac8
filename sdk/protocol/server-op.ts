/** What a server sends: written by the bridge, read by the SDK. */
import { SpanwireError } from '../errors.ts'
import { encodeFrame } from './bytes.ts'

/** The JSON of an INFO line, as far as either side uses it. */
export interface ServerInfo {
  readonly server_id: string
  readonly server_name?: string
  /** A semantic version: clients decide by it what the server can do. */
  readonly version: string
  readonly proto: number
  readonly headers?: boolean
  /** Largest header block and payload together, in bytes. */
  readonly max_payload: number
  readonly client_id?: number
  readonly auth_required?: boolean
  readonly nonce?: string
  /** Lame duck: the server will close soon, connect elsewhere. */
  readonly ldm?: boolean
  /** Only a Spanwire bridge sends this. `upstream` says whether NATS can be reached behind the bridge right now. */
  readonly edge?: { readonly upstream: 'open' | 'reconnecting' }
}

/** One operation of a server. `MSG` stands for HMSG too, which has a `headerSize`; `size` counts header and payload. */
export type ServerOp =
  | { readonly verb: 'INFO'; readonly info: ServerInfo }
  | {
      readonly verb: 'MSG'
      readonly subject: string
      readonly sid: string
      readonly reply?: string
      readonly headerSize: number
      readonly size: number
    }
  | { readonly verb: '-ERR'; readonly message: string }
  | { readonly verb: 'PING' | 'PONG' | '+OK' }

/** INFO. */
export function encodeInfo(info: ServerInfo): Uint8Array {
  return encodeFrame(`INFO ${JSON.stringify(info)}`)
}

/** MSG, or HMSG if there are headers. */
export function encodeMessage(
  subject: string,
  sid: string,
  payload: Uint8Array,
  reply?: string,
  headers?: Uint8Array,
): Uint8Array {
  const target = reply ? `${subject} ${sid} ${reply}` : `${subject} ${sid}`
  return headers
    ? encodeFrame(`HMSG ${target} ${headers.length} ${headers.length + payload.length}`, headers, payload)
    : encodeFrame(`MSG ${target} ${payload.length}`, undefined, payload)
}

/** -ERR. */
export function encodeError(message: string): Uint8Array {
  return encodeFrame(`-ERR '${message}'`)
}

/**
 * Reads one control line of a server.
 * @throws SpanwireError `protocol-violation`
 */
export function parseServerOp(line: string): ServerOp {
  const blank = line.indexOf(' ')
  const verb = blank < 0 ? line : line.slice(0, blank)
  const rest = line.slice(verb.length + 1).trim()
  switch (verb) {
    case 'MSG':
    case 'HMSG': {
      const args = rest.split(/[ \t]+/)
      const counts = verb === 'MSG' ? 1 : 2
      const size = toCount(args.at(-1))
      const headerSize = counts === 2 ? toCount(args.at(-2)) : 0
      const reply = args.length === 3 + counts ? args[2] : undefined
      if ((args.length !== 2 + counts && reply === undefined) || !(size >= headerSize && headerSize >= 0)) break
      return {
        verb: 'MSG',
        subject: args[0] as string,
        sid: args[1] as string,
        ...(reply !== undefined && { reply }),
        headerSize,
        size,
      }
    }
    case 'PING':
    case 'PONG':
    case '+OK':
      return { verb }
    case '-ERR':
      return { verb, message: rest.replace(/^'|'$/g, '') }
    case 'INFO':
      try {
        const info: unknown = JSON.parse(rest)
        if (typeof info === 'object' && info !== null) return { verb, info: info as ServerInfo }
      } catch {}
  }
  throw new SpanwireError(
    'protocol-violation',
    `The server sent something that is not the NATS protocol: ${JSON.stringify(line.slice(0, 32))}`,
  )
}

function toCount(digits: string | undefined): number {
  return digits !== undefined && /^\d{1,9}$/.test(digits) ? Number(digits) : Number.NaN
}
