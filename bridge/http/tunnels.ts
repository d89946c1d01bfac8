import { SpanwireError } from '../../sdk/wire/errors.ts'

/** The id of the hub that holds the session, where it is known, and 64 hex digits that can't be guessed. */
const KEY = /^(?:([0-9a-f-]{36})\.)?[0-9a-f]{64}$/

interface Tunnel {
  receive(bytes: Uint8Array): void
  /** The number of the last POST that was received whole; 0 before the first. */
  posted: number
  /** Bytes of the next POST that were received already. */
  taken: number
}

/** Bytes of one POST: all of them, or a part of them. */
export interface TunnelPost {
  readonly key: string
  /** The number of the POST. The first is 1. */
  readonly number: number
  readonly bytes: Uint8Array
  /** How many bytes of the POST come before these. Default 0. */
  readonly offset?: number
  /** Whether more bytes of the POST follow. Default false. */
  readonly isPartial?: boolean
}

/**
 * A key that can't be guessed.
 * @param hub id of the hub that holds the session: POSTs that reach another hub are forwarded to it
 */
export function newTunnelKey(hub?: string): string {
  const secret = Array.from(crypto.getRandomValues(new Uint8Array(32)), (byte) => byte.toString(16).padStart(2, '0'))
  return `${hub === undefined ? '' : `${hub}.`}${secret.join('')}`
}

export function isTunnelKey(text: string | undefined): text is string {
  return text !== undefined && KEY.test(text)
}

/** The id of the hub that holds the session; undefined for keys that do not name it. */
export function hubOfTunnel(key: string): string | undefined {
  return KEY.exec(key)?.[1]
}

/**
 * Sessions whose client can't send on the connection that it reads from. Its POSTs find the session by a key, which
 * is sent to the reader of that connection only. The key gives access to the whole session, so it is never part of a URL.
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
   * To be called before a body is read: a caller without a key must not cost memory.
   * @throws SpanwireError `connection-lost` for an unknown tunnel
   */
  check(key: string): void {
    if (!this.has(key)) throw unknownTunnel()
  }

  /**
   * Hands over bytes of a client. A POST that is repeated because its answer got lost is not carried out again, nor is
   * the part of it that came before the first attempt broke off.
   * @throws SpanwireError `connection-lost` for an unknown tunnel, and if bytes before these are missing
   */
  receive({ key, number, bytes, offset = 0, isPartial = false }: TunnelPost): void {
    const tunnel = this.#byKey.get(key)
    if (!tunnel) throw unknownTunnel()
    if (number === tunnel.posted) return
    if (number !== tunnel.posted + 1 || offset > tunnel.taken)
      throw new SpanwireError('connection-lost', `POST ${tunnel.posted + 1} of this tunnel is missing. Open a new one.`)
    const fresh = bytes.subarray(Math.max(0, tunnel.taken - offset))
    if (isPartial) tunnel.taken = Math.max(tunnel.taken, offset + bytes.length)
    else {
      tunnel.posted = number
      tunnel.taken = 0
    }
    if (fresh.length > 0) tunnel.receive(fresh)
  }
}

function unknownTunnel(): SpanwireError {
  return new SpanwireError('connection-lost', 'Unknown or expired tunnel. Open a new one.')
}
