import { createBackoff } from '../kit/backoff.ts'
import { pause } from '../kit/pause.ts'
import type { Transport } from '../transport/transport.ts'
import { encode } from '../wire/bytes.ts'
import { isSpanwireError } from '../wire/errors.ts'

/** The acknowledgement of one delivery. Source: ADR-13, and nats-server's consumer.go */
export interface Acknowledgement {
  /** Acknowledges: the message is not delivered again. */
  done(): Promise<void>
  /** Requests another delivery after `delay` ms. 0: immediately. */
  again(delay: number): Promise<void>
  /** JetStream received no sign of progress for `ackWait` ms, so it delivers the message again. */
  readonly isLost: boolean
  /** The message was delivered to this process again: `ackWait` starts again. */
  renew(): void
  /** Ends the signs of progress without an acknowledgement. */
  drop(): void
}

/**
 * Reports progress until a delivery is acknowledged: otherwise JetStream delivers the message to another process after
 * `ackWait` ms. An acknowledgement is repeated across lost connections. If it is lost, the message is delivered again.
 */
export function holdDelivery(transport: Transport, ackTo: string, ackWait: number): Acknowledgement {
  const send = (text: string, signal?: AbortSignal) => transport.publish(ackTo, encode(text), { signal })
  let reportedAt = performance.now()
  const reportProgress = async () => {
    // While offline it would only fill the transport's queue, and displace other messages.
    if (transport.status.state !== 'open') return
    const sentAt = performance.now()
    await send('+WPI')
    reportedAt = sentAt
  }
  const timer = setInterval(() => void reportProgress().catch(() => {}), ackWait / 3)
  const settle = async (text: string) => {
    clearInterval(timer)
    const backoff = createBackoff({ first: 500, longest: 2_000 })
    const until = performance.now() + ackWait
    for (let left = ackWait; left > 0; left = until - performance.now()) {
      try {
        if (transport.status.state === 'open') return await send(text)
        // After `ackWait` JetStream delivers the message to another process.
        return await within(left, (signal) => send(text, signal))
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
      return performance.now() - reportedAt > ackWait
    },
    renew() {
      reportedAt = performance.now()
    },
    drop: () => clearInterval(timer),
  }
}

/** Calls a function with a signal that is aborted after `ms` ms. */
async function within(ms: number, run: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const over = new AbortController()
  const timer = setTimeout(() => over.abort(), ms)
  try {
    await run(over.signal)
  } finally {
    clearTimeout(timer)
  }
}
