import { createBus } from './bus/event-bus.ts'
import type { Bus } from './contract/bus.ts'
import type { Events } from './contract/contract.ts'
import type { Gap } from './contract/gap.ts'
import type { ReceivedEvent } from './contract/received-event.ts'
import { typed } from './contract/untyped-bus.ts'
import type { OutboxOptions } from './outbox/outbox.ts'
import type { Transport } from './transport/transport.ts'
import { webSocket } from './transport/websocket/websocket.ts'
import type { WebSocketOptions } from './transport/websocket/websocket-options.ts'
import type { SpanwireError } from './wire/errors.ts'

/** What every bus is given. */
export interface BusOptions<Contract> {
  /** The contract: what `defineEvents` returned. */
  readonly events: Contract
  /**
   * Hears of received events that can't be decoded or that the schema refuses. They never reach a handler, and end
   * nothing. Default: `console.error`.
   */
  readonly onInvalid?: (error: SpanwireError, event: ReceivedEvent) => void
  /** Hears what handlers throw, or reject with. Default: `console.error`. */
  readonly onError?: (error: unknown, event: ReceivedEvent) => void
  /**
   * Hears of events that a subscription asked for and that its stream has lost (default: `console.warn`), and, of events
   * without a stream, that the connection was lost for a while (default: nobody).
   */
  readonly onGap?: ((gap: Gap) => void) | undefined
  /**
   * `persistent` (or options): events are written to IndexedDB before they are published, and survive a reload. The next
   * page of the same origin publishes what is left, in order and with the same ids: exactly once into a stream, if that is
   * within its duplicate window; without a stream an event may come twice if the page ends just then. Bounded by `offline`.
   * Default: what isn't published waits in memory.
   */
  readonly outbox?: 'persistent' | OutboxOptions | undefined
}

/** A bus, and how it reaches NATS: by a URL, or by a transport. */
export type ConnectOptions<Contract> = BusOptions<Contract> &
  (
    | ({ readonly transport?: undefined } & WebSocketOptions)
    /** From `http()` of `spanwire/http`, `fromNats()` of `spanwire/nats`, or of your own. */
    | { readonly transport: Transport }
  )

/**
 * Connects. Returns at once; what is published before the connection is open waits in a bounded queue.
 *
 *     const bus = connect({ url: 'https://bridge.example.com', events, token: () => fetchToken() })
 *
 * URLs: `https://` and `http://` are a bridge's address (`/nats` is appended); `wss://` and `ws://` are used as given,
 * for a nats-server's WebSocket listener or a bridge; `nats://` and `tls://` work on Node, Deno and Bun, and load the
 * package `nats`, which must be installed.
 * @throws SpanwireError `invalid-argument` for a URL that is none of these
 */
export function connect<Contract extends Events>(options: ConnectOptions<Contract>): Bus<Contract> {
  return typed(createBus(options.events, options.transport ?? webSocket(options), options))
}
