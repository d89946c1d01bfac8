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

/** Options of every bus. */
export interface BusOptions<Contract> {
  /** The contract, as {@link defineEvents} returned it. */
  readonly events: Contract
  /**
   * Called with received events that cannot be decoded or that the schema refuses. Handlers are not called with them, and
   * the subscription continues. Default: `console.error`.
   */
  readonly onInvalid?: (error: SpanwireError, event: ReceivedEvent) => void
  /** Called with errors that handlers throw or reject with. Default: `console.error`. */
  readonly onError?: (error: unknown, event: ReceivedEvent) => void
  /**
   * Called when events of a subscription are no longer available or may have been missed. Default: `console.warn` for
   * events with a stream, none for events without.
   */
  readonly onGap?: ((gap: Gap) => void) | undefined
  /**
   * `persistent`, or options: events are written to IndexedDB before they are published, and survive a reload of the page.
   * The next page of the same origin publishes the remaining events in order and with the same ids. A stream stores each
   * of them once if they arrive within its duplicate window. Without a stream, an event may be published twice if the page
   * ends at that moment. It has the limits of `offline`. Default: unpublished events are kept in memory.
   */
  readonly outbox?: 'persistent' | OutboxOptions | undefined
}

/** Options of {@link connect}: options of the bus, and a URL or a transport. */
export type ConnectOptions<Contract> = BusOptions<Contract> &
  (
    | ({ readonly transport?: undefined } & WebSocketOptions)
    | {
        /** A transport, such as `http()` of `spanwire/http` or `fromNats()` of `spanwire/nats`. */
        readonly transport: Transport
      }
  )

/**
 * Connects to a bridge or to NATS. Returns immediately. Events that are published before the connection is open wait in a
 * bounded queue.
 *
 * - `https://` and `http://` are the address of a bridge. `/nats` is appended.
 * - `wss://` and `ws://` are used unchanged, for the WebSocket listener of nats-server or a bridge.
 * - `nats://` and `tls://` work on Node, Deno and Bun. They load the package `nats`, which must be installed.
 *
 * @example
 *     const bus = connect({ url: 'https://bridge.example.com', events, token: () => fetchToken() })
 *     await bus.publish('orders.{orderId}.created', { orderId: '42' }, { total: 12 })
 * @throws SpanwireError `invalid-argument` for a URL with another scheme
 */
export function connect<Contract extends Events>(options: ConnectOptions<Contract>): Bus<Contract> {
  return typed(createBus(options.events, options.transport ?? webSocket(options), options))
}
