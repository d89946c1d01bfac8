import { StatusError } from './problem.ts'

/** Id of the hub that holds the session, if known, and 256 bits in hex digits. */
const KEY = /^(?:([0-9a-f-]{36})\.)?[0-9a-f]{64}$/

interface Tunnel {
  receive(bytes: Uint8Array): void
  /** Number of the last POST that was received completely; 0 before the first. */
  posted: number
  /** Bytes of the next POST that were received. */
  taken: number
  /** Stops the POST whose body is being read. */
  stop?: (() => void) | undefined
}

/** A POST of a tunnel. */
export interface PostOf {
  readonly key: string
  /** Number of the POST, from 1. */
  readonly number: number
}

/** Bytes of one POST, or a part of them. */
export interface TunnelPost extends PostOf {
  readonly bytes: Uint8Array
  /** Bytes of the POST before these. Default 0. */
  readonly offset?: number
  /** Whether more bytes of the POST follow. Default false. */
  readonly isPartial?: boolean
}

/**
 * An unguessable key.
 * @param hub id of the hub that holds the session. Other hubs forward POSTs to it.
 */
export function newTunnelKey(hub?: string): string {
  const secret = Array.from(crypto.getRandomValues(new Uint8Array(32)), (byte) => byte.toString(16).padStart(2, '0'))
  return `${hub === undefined ? '' : `${hub}.`}${secret.join('')}`
}

export function isTunnelKey(text: string | undefined): text is string {
  return text !== undefined && KEY.test(text)
}

/** Id of the hub that holds the session. Undefined if the key does not name it. */
export function hubOfTunnel(key: string): string | undefined {
  return KEY.exec(key)?.[1]
}

/**
 * Sessions of clients that read a stream of Server-Sent Events and send by POST. A POST finds its session by a key, which
 * only the reader of the stream gets. The key grants access to the whole session, so it is never part of a URL.
 */
export class Tunnels {
  readonly #byKey = new Map<string, Tunnel>()

  get size(): number {
    return this.#byKey.size
  }

  has(key: string): boolean {
    return this.#byKey.has(key)
  }

  add(key: string, receive: (bytes: Uint8Array) => void): void {
    this.#byKey.set(key, { receive, posted: 0, taken: 0 })
  }

  remove(key: string): void {
    this.#byKey.delete(key)
  }

  /**
  /**
   * Admits a POST before its body is read, so that a caller without a key uses no memory. A POST with the same number that
   * is still being read is stopped: its client has repeated it. So a tunnel has one body at a time.
   * @returns false if the POST was received before, and only its response was lost
   * @throws SpanwireError `connection-lost` (404) for an unknown tunnel, and if an earlier POST is missing
   */
  admit({ key, number }: PostOf, stop: () => void): boolean {
    const tunnel = this.#find(key, number)
    if (number === tunnel.posted) return false
    tunnel.stop?.()
    tunnel.stop = stop
    return true
  }

  /**
   * Passes bytes of a POST to its session. A repeated POST, whose response was lost, is ignored, and so is the part of it
   * that arrived before the first attempt ended.
   * @throws SpanwireError `connection-lost` (404) for an unknown tunnel, and if earlier bytes are missing
   */
  receive({ key, number, bytes, offset = 0, isPartial = false }: TunnelPost): void {
    const tunnel = this.#find(key, number)
    if (number === tunnel.posted) return
    if (offset > tunnel.taken) throw missing(tunnel)
    const fresh = bytes.subarray(Math.max(0, tunnel.taken - offset))
    if (isPartial) tunnel.taken = Math.max(tunnel.taken, offset + bytes.length)
    else {
      tunnel.posted = number
      tunnel.taken = 0
      tunnel.stop = undefined
    }
    if (fresh.length > 0) tunnel.receive(fresh)
  }

  #find(key: string, number: number): Tunnel {
    const tunnel = this.#byKey.get(key)
    if (!tunnel) throw new StatusError(404, 'connection-lost', 'Unknown or expired tunnel. Open a new one.')
    if (number === tunnel.posted || number === tunnel.posted + 1) return tunnel
    throw missing(tunnel)
  }
}

function missing({ posted }: Tunnel): StatusError {
  return new StatusError(404, 'connection-lost', `POST ${posted + 1} of this tunnel is missing. Open a new one.`)
}
