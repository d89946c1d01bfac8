import { encodeFrame, join } from '../../wire/bytes.ts'

/** Somebody who waits until the server has processed what was sent. Hears once; later calls do nothing. */
export interface Waiter {
  settle(error?: Error): void
}

/**
 * Gathers what is sent to one connection during one turn, so that it leaves together, followed by one PING: its PONG
 * says that the server has processed all of it.
 */
export interface RoundTrips<Member> {
  /** Those that an error is about which comes before the next PONG. */
  readonly oldest: readonly Member[]
  /** Sends `bytes`; with `waiter`, so that it hears when the server has processed them. */
  send(bytes?: Uint8Array, waiter?: Member): void
  /** Takes a PONG: returns who has waited for it. */
  ponged(): Member[]
  /** Sends what was gathered now. Returns all who wait. */
  end(): Member[]
}

// Frames are gathered up to this size: a bridge refuses frames of more than twice its max_payload.
const MAX_FRAME = 65_536
const PING = encodeFrame('PING')

export function createRoundTrips<Member extends Waiter>(write: (bytes: Uint8Array) => void): RoundTrips<Member> {
  let chunks: Uint8Array[] = []
  let size = 0
  let scheduled = false
  /** Who waits for the PONG of the next PING. */
  let next: Member[] = []
  /** Who waits for the PONG of each PING that was sent, oldest first. */
  const rounds: Member[][] = []

  const flush = () => {
    if (size > 0) write(join(chunks))
    chunks = []
    size = 0
  }
  const add = (bytes: Uint8Array) => {
    if (size + bytes.length > MAX_FRAME) flush()
    chunks.push(bytes)
    size += bytes.length
  }
  return {
    get oldest() {
      return rounds[0] ?? []
    },
    send(bytes, waiter) {
      if (waiter) next.push(waiter)
      if (bytes) add(bytes)
      if (scheduled) return
      scheduled = true
      queueMicrotask(() => {
        scheduled = false
        rounds.push(next)
        next = []
        add(PING)
        flush()
      })
    },
    ponged: () => rounds.shift() ?? [],
    end() {
      flush()
      return [...rounds.flat(), ...next]
    },
  }
}
