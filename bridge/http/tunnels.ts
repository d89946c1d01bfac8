import { SpanwireError } from '../../sdk/wire/errors.ts'

/** Hex digits enough that nobody guesses them. */
const KEY = /^[0-9a-f]{64}$/

interface Tunnel {
  receive(bytes: Uint8Array): void
  /** Of the last POST whose bytes were taken; 0 before the first. */
  posted: number
}

/** A key that nobody can guess. */
export function newTunnelKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(32)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export function isTunnelKey(text: string | undefined): text is string {
  return text !== undefined && KEY.test(text)
}

/**
 * Sessions whose client can't send on the connection that it reads from: what it posts finds its session by a key, which
 * only the reader of that connection was told. The key stands for the whole session, so it is never part of a URL.
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
    this.#byKey.set(key, { receive, posted: 0 })
  }

  remove(key: string): void {
    this.#byKey.delete(key)
  }

  /**
   * Hands over what a client posted. A POST that is repeated, because its answer got lost, is not carried out again.
   * @param number of the POST; the first is 1
   * @throws SpanwireError `connection-lost` if there is no such tunnel, or one before it is missing
   */
  receive(key: string, number: number, bytes: Uint8Array): void {
    const tunnel = this.#byKey.get(key)
    if (!tunnel) throw new SpanwireError('connection-lost', 'There is no such tunnel, or no more: open another.')
    if (number === tunnel.posted) return
    if (number !== tunnel.posted + 1) {
      throw new SpanwireError('connection-lost', `POST ${tunnel.posted + 1} of this tunnel is missing: open another.`)
    }
    tunnel.posted = number
    tunnel.receive(bytes)
  }
}
