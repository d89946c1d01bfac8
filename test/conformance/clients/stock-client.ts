import * as natsCore from '@nats-io/nats-core'
import { wsconnect } from '@nats-io/nats-core'
import * as nats from 'nats'
import * as natsWs from 'nats.ws'

/** The common interface of the stock clients, as far as the features use it. */
export interface StockMessage {
  readonly subject: string
  readonly data: Uint8Array
  readonly reply?: string
  readonly headers?: StockHeaders
  respond(data?: Uint8Array): boolean
}

export interface StockHeaders {
  readonly code: number
  append(name: string, value: string): void
  get(name: string): string
  values(name: string): string[]
}

export interface StockSubscription extends AsyncIterable<StockMessage> {
  unsubscribe(max?: number): void
  drain(): Promise<void>
}

export interface StockConnection {
  readonly info?: { readonly max_payload: number }
  publish(subject: string, data?: Uint8Array, options?: { reply?: string; headers?: StockHeaders }): void
  subscribe(filter: string, options?: { queue?: string; max?: number }): StockSubscription
  request(subject: string, data?: Uint8Array, options?: { timeout: number }): Promise<StockMessage>
  requestMany(
    subject: string,
    data: Uint8Array,
    options: { maxWait: number; maxMessages: number; strategy: 'count' },
  ): Promise<AsyncIterable<StockMessage | Error>>
  flush(): Promise<void>
  rtt(): Promise<number>
  drain(): Promise<void>
  close(): Promise<void>
  closed(): Promise<unknown>
  status(): AsyncIterable<{ readonly type: string }>
}

export interface StockOptions {
  readonly servers: string
  readonly token?: string
  readonly user?: string
  readonly pass?: string
  readonly verbose?: boolean
  readonly pedantic?: boolean
  readonly noEcho?: boolean
}

export interface StockClient {
  readonly name: string
  connect(options: StockOptions): Promise<StockConnection>
  headers(): StockHeaders
}

// Options of every client: fail on a first error, and reconnect soon.
const steady = { maxReconnectAttempts: -1, reconnectTimeWait: 50, reconnectJitter: 0, timeout: 5_000 }

/** The clients under test, unmodified. */
export const stockClients: readonly StockClient[] = [
  {
    name: 'nats.ws 1.30',
    connect: async (options) => (await natsWs.connect({ ...steady, ...options })) as unknown as StockConnection,
    headers: () => natsWs.headers() as unknown as StockHeaders,
  },
  {
    // It makes WebSocket the transport of all later @nats-io connections of this process.
    name: 'nats-core 3.4 wsconnect',
    connect: async (options) => (await wsconnect({ ...steady, ...options })) as unknown as StockConnection,
    headers: () => natsCore.headers() as unknown as StockHeaders,
  },
]

/** The reference client, on the nats-server itself. */
export const serverSideClient: StockClient = {
  name: 'nats 2.29 (TCP)',
  connect: async (options) => (await nats.connect({ ...steady, ...options })) as unknown as StockConnection,
  headers: () => nats.headers() as unknown as StockHeaders,
}
