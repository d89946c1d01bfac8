/** Forwards POSTs of a tunnel to the hub that holds its session, in parts over NATS. */
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { TUNNEL_HEADER } from '../../sdk/wire/header-names.ts'
import type { Peers } from '../hub/peers.ts'
import { isTunnelKey, type PostOf, type Tunnels } from './tunnels.ts'

/** The kind of these requests between hubs. */
const KIND = 'TUNNEL'
/** `<offset>` of a part, or `<offset> last`. */
const PART_HEADER = 'Spanwire-Part'
/** Largest part, in bytes. A POST of several parts is never in memory as a whole. */
export const MAX_PART = 256 * 1024
/** Size of the headers of a part, in bytes. */
const HEADERS = 512

/**
 * Reads `<key> <number>`.
 * @throws SpanwireError `invalid-argument`
 */
export function readPostOf(text: string | undefined): PostOf {
  const [key, number = '', ...more] = (text ?? '').split(' ')
  if (isTunnelKey(key) && /^[1-9]\d{0,14}$/.test(number) && more.length === 0) return { key, number: Number(number) }
  throw new SpanwireError(
    'invalid-argument',
    `${TUNNEL_HEADER} must be the key of the tunnel and the number of the POST.`,
  )
}

/** Accepts POSTs that other hubs forward to this one. */
export function receiveForwarded(peers: Peers, tunnels: Tunnels): void {
  peers.handle(KIND, ({ fields, payload }) => {
    const header = (wanted: string) => fields.find(([name]) => name === wanted)?.[1] ?? ''
    const [, offset, last] = /^(\d{1,15})( last)?$/.exec(header(PART_HEADER)) ?? []
    if (offset === undefined) throw new SpanwireError('invalid-argument', `${PART_HEADER} is malformed.`)
    const post = readPostOf(header(TUNNEL_HEADER))
    tunnels.receive({ ...post, bytes: payload, offset: Number(offset), isPartial: last === undefined })
    return { fields: [], payload: new Uint8Array(0) }
  })
}

/** The target of a POST, and the largest message. */
export interface ForwardOptions extends PostOf {
  readonly peers: Peers
  /** Id of the hub that holds the session. */
  readonly hub: string
  /** Largest message of the broker, in bytes. */
  readonly maxPayload: number
}

/**
 * Forwards the body of a POST. Each part waits for the acknowledgement of the previous one, so that they stay in order and
 * only one is in memory.
 * @throws SpanwireError (as rejection) `connection-lost` if the session has ended; `timeout`, `upstream-unavailable`
 */
export async function forwardPost(body: ReadableStream<Uint8Array> | null, options: ForwardOptions): Promise<void> {
  const { peers, hub, key, number, maxPayload } = options
  const most = Math.max(1, Math.min(MAX_PART, maxPayload - HEADERS))
  let offset = 0
  const send = async (bytes: Uint8Array, isLast: boolean) => {
    const part = `${offset}${isLast ? ' last' : ''}`
    const fields = [[TUNNEL_HEADER, `${key} ${number}`] as const, [PART_HEADER, part] as const]
    await peers.ask(hub, KIND, { fields, payload: bytes }).catch((error) => {
      if (error.code !== 'no-responders') throw error
      throw new SpanwireError('connection-lost', 'Unknown or expired tunnel. Open a new one.', { cause: error })
    })
    offset += bytes.length
  }
  let waiting = new Uint8Array(0)
  for await (const chunk of body ?? []) {
    for (let start = 0; start < chunk.length; start += most) {
      if (waiting.length > 0) await send(waiting, false)
      waiting = chunk.slice(start, start + most)
    }
  }
  await send(waiting, true)
}
