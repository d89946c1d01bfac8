import { createBackoff } from '../kit/backoff.ts'
import { pause } from '../kit/pause.ts'
import type { Transport } from '../transport/transport.ts'
import { encode } from '../wire/bytes.ts'
import { isSpanwireError } from '../wire/errors.ts'

/** What JetStream is told of one delivery. Source: ADR-13, and nats-server's consumer.go */
export interface Acknowledgement {
  /** Handled: it doesn't come again. */
  done(): Promise<void>
  /** It comes again after so many ms; 0 for at once. */
  again(delay: number): Promise<void>
  /** JetStream heard nothing of it for so long that it gives it to somebody again. */
  readonly isLost: boolean
  /** It came once more: it is ours for another while. */
  renew(): void
  /** Nothing more is said of it. */
  drop(): void
}

/**
 * Keeps a delivery for this process until it is acknowledged: JetStream gives it to others when it hears nothing for
 * `ackWait` ms. What is said is said again over lost connections; if it is lost all the same, the event comes again.
 */
export function holdDelivery(transport: Transport, ackTo: string, ackWait: number): Acknowledgement {
  const tell = (text: string, signal?: AbortSignal) => transport.publish(ackTo, encode(text), { signal })
  let heard = performance.now()
  const keep = async () => {
    // While offline it would only fill the transport's queue, and push others out of it.
    if (transport.status.state !== 'open') return
    const said = performance.now()
    await tell('+WPI')
    heard = said
  }
  const alive = setInterval(() => void keep().catch(() => {}), ackWait / 3)
  const settle = async (text: string) => {
    clearInterval(alive)
    const backoff = createBackoff({ first: 500, longest: 2_000 })
    const until = performance.now() + ackWait
    for (let left = ackWait; left > 0; left = until - performance.now()) {
      try {
        if (transport.status.state === 'open') return await tell(text)
        // Nothing else ends the wait; after that it was given to others.
        return await within(left, (signal) => tell(text, signal))
      } catch (error) {
        if (isSpanwireError(error, 'connection-closed') || isSpanwireError(error, 'permission-denied')) throw error
      }
      await pause(Math.min(backoff.next(), left))
    }
  }
  return {
    done: () => settle('+ACK'),
    // In ns.
    again: (delay) => settle(delay > 0 ? `-NAK {"delay": ${Math.round(delay * 1e6)}}` : '-NAK'),
    get isLost() {
      return performance.now() - heard > ackWait
    },
    renew() {
      heard = performance.now()
    },
    drop: () => clearInterval(alive),
  }
}

async function within(ms: number, say: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const over = new AbortController()
  const timer = setTimeout(() => over.abort(), ms)
  try {
    await say(over.signal)
  } finally {
    clearTimeout(timer)
  }
}
