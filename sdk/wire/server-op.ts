/** Operations of a server: encoders for the bridge. */
import { CRLF, encodeFrame } from './bytes.ts'

/** Members of INFO that Spanwire uses. Source: https://docs.nats.io/reference/reference-protocols/nats-protocol */
export interface ServerInfo {
  /** Unique id of the server. */
  readonly server_id: string
  /** Name of the server. */
  readonly server_name?: string
  /** Semantic version. Clients derive the features of the server from it. */
  readonly version: string
  /** Version of the protocol. */
  readonly proto: number
  /** Whether the server supports headers. */
  readonly headers?: boolean
  /** Largest size of header block and payload together, in bytes. */
  readonly max_payload: number
  /** Id of the connection. */
  readonly client_id?: number
  /** Address of the client as the server sees it. */
  readonly client_ip?: string
  /** Whether the server has JetStream. */
  readonly jetstream?: boolean
  /** Level of JetStream's API. */
  readonly api_lvl?: number
  /** Whether CONNECT must contain credentials. */
  readonly auth_required?: boolean
  /** Text that the client signs with its NKey. */
  readonly nonce?: string
  /** Lame duck mode: the server will close soon. */
  readonly ldm?: boolean
  /** Only of a Spanwire bridge. `upstream` is the state of its connection to NATS. */
  readonly edge?: { readonly upstream: 'open' | 'reconnecting' }
}

/** Encodes INFO. */
export function encodeInfo(info: ServerInfo): Uint8Array {
  return encodeFrame(`INFO ${JSON.stringify(info)}`)
}

const newBuffer = (length: number) => new Uint8Array(length)

/** Optional parts of a MSG. */
export interface MessageOptions {
  /** Reply subject. */
  readonly reply?: string | undefined
  /** Header block. */
  readonly headers?: Uint8Array | undefined
  /** Returns memory for the frame. Default: a new buffer. */
  readonly allocate?: (length: number) => Uint8Array
}

const NO_OPTIONS: MessageOptions = {}

/** Encodes MSG, or HMSG with headers. */
export function encodeMessage(
  subject: string,
  sid: string,
  payload: Uint8Array,
  { reply, headers, allocate = newBuffer }: MessageOptions = NO_OPTIONS,
): Uint8Array {
  const verb = headers ? 'HMSG ' : 'MSG '
  const headerLength = headers?.length ?? 0
  const sizes = headers ? `${headerLength} ${headerLength + payload.length}` : String(payload.length)
  // Hubs call this for every message. Joining the words first would double its cost.
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

/** Writes ASCII and returns its end. Returns -1 for other text, and after it. */
function put(bytes: Uint8Array, at: number, text: string): number {
  if (at < 0) return at
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 127) return -1
    bytes[at + i] = code
  }
  return at + text.length
}

/** Encodes -ERR. */
export function encodeError(message: string): Uint8Array {
  return encodeFrame(`-ERR '${message}'`)
}
