/** What a server sends. */
import { CRLF, encodeFrame } from './bytes.ts'

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
  /** Address of the client as the server sees it. */
  readonly client_ip?: string
  /** Whether the server has JetStream, and the level of its API. */
  readonly jetstream?: boolean
  readonly api_lvl?: number
  readonly auth_required?: boolean
  readonly nonce?: string
  /** Lame duck: the server will close soon, connect elsewhere. */
  readonly ldm?: boolean
  /** Only a Spanwire bridge sends this. `upstream` says whether NATS can be reached behind the bridge right now. */
  readonly edge?: { readonly upstream: 'open' | 'reconnecting' }
}

/** INFO. */
export function encodeInfo(info: ServerInfo): Uint8Array {
  return encodeFrame(`INFO ${JSON.stringify(info)}`)
}

const ownRoom = (length: number) => new Uint8Array(length)

/**
 * MSG, or HMSG if there are headers.
 * @param allocate gives room for so many bytes
 */
export function encodeMessage(
  subject: string,
  sid: string,
  payload: Uint8Array,
  reply?: string,
  headers?: Uint8Array,
  allocate: (length: number) => Uint8Array = ownRoom,
): Uint8Array {
  const verb = headers ? 'HMSG ' : 'MSG '
  const headerLength = headers?.length ?? 0
  const sizes = headers ? `${headerLength} ${headerLength + payload.length}` : String(payload.length)
  // Written word by word: a hub does this for every message, and to join them first would double what it costs.
  const words = verb.length + subject.length + sid.length + (reply ? reply.length + 1 : 0) + sizes.length
  const bytes = allocate(words + headerLength + payload.length + 6)
  let at = put(bytes, 0, verb)
  at = put(bytes, put(bytes, at, subject), ' ')
  at = put(bytes, put(bytes, at, sid), ' ')
  if (reply) at = put(bytes, put(bytes, at, reply), ' ')
  at = put(bytes, put(bytes, at, sizes), CRLF)
  if (at < 0) return encodeFrame(`${verb}${subject} ${sid} ${reply ? `${reply} ` : ''}${sizes}`, headers, payload)
  if (headers) bytes.set(headers, at)
  bytes.set(payload, at + headerLength)
  put(bytes, at + headerLength + payload.length, CRLF)
  return bytes
}

/** Writes ASCII and returns where it ends. If the text is anything else, or the one before was, that is -1. */
function put(bytes: Uint8Array, at: number, text: string): number {
  if (at < 0) return at
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 127) return -1
    bytes[at + i] = code
  }
  return at + text.length
}

/** -ERR. */
export function encodeError(message: string): Uint8Array {
  return encodeFrame(`-ERR '${message}'`)
}
