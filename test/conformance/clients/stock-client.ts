import { jetstreamManager } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import * as natsCore from '@nats-io/nats-core'
import { wsconnect } from '@nats-io/nats-core'
import { Objm } from '@nats-io/obj'
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

export interface StockEntry {
  readonly key: string
  readonly operation: string
  string(): string
}

/** A bucket of the key-value store. */
export interface StockBucket {
  put(key: string, value: string): Promise<number>
  get(key: string): Promise<StockEntry | null>
  delete(key: string): Promise<void>
  keys(): Promise<AsyncIterable<string>>
  history(options: { key: string }): Promise<AsyncIterable<StockEntry>>
  watch(): Promise<AsyncIterable<StockEntry> & { stop(): void }>
}

export interface StockObjects {
  putBlob(meta: { name: string }, data: Uint8Array): Promise<unknown>
  getBlob(name: string): Promise<Uint8Array | null>
  list(): Promise<ReadonlyArray<{ readonly name: string }>>
}

/** Members that the stores and JetStream's management of all clients share. */
export interface StockStores {
  bucket(name: string): Promise<StockBucket>
  objects(name: string): Promise<StockObjects>
  addStream(config: object): Promise<unknown>
  addConsumer(stream: string, config: object): Promise<unknown>
  /** Data of the next messages of a pull consumer, which are acknowledged. */
  fetch(stream: string, consumer: string, max: number): Promise<string[]>
}

export interface StockClient {
  readonly name: string
  connect(options: StockOptions): Promise<StockConnection>
  headers(): StockHeaders
  stores?(connection: StockConnection): Promise<StockStores>
}

interface Consumers {
  get(
    stream: string,
    consumer: string,
  ): Promise<{
    fetch(options: {
      max_messages: number
      expires: number
    }): Promise<AsyncIterable<{ readonly data: Uint8Array; ack(): void }>>
  }>
}

async function fetchFrom(consumers: Consumers, stream: string, consumer: string, max: number): Promise<string[]> {
  const data: string[] = []
  const pull = await consumers.get(stream, consumer)
  for await (const message of await pull.fetch({ max_messages: max, expires: 3_000 })) {
    data.push(new TextDecoder().decode(message.data))
    message.ack()
  }
  return data
}

/** The client of `nats` and `nats.ws`, which are the same. */
async function storesOfVersion2(connection: StockConnection): Promise<StockStores> {
  const v2 = connection as unknown as nats.NatsConnection
  const manager = await v2.jetstreamManager()
  const jetstream = v2.jetstream()
  return {
    bucket: async (name) => {
      const bucket = await jetstream.views.kv(name, { history: 5 })
      const put = (key: string, value: string) => bucket.put(key, new TextEncoder().encode(value))
      return Object.assign(Object.create(bucket), { put }) as StockBucket
    },
    objects: async (name) => (await jetstream.views.os(name)) as unknown as StockObjects,
    addStream: (config) => manager.streams.add(config as Partial<nats.StreamConfig>),
    addConsumer: (stream, config) => manager.consumers.add(stream, config as Partial<nats.ConsumerConfig>),
    fetch: (stream, consumer, max) => fetchFrom(jetstream.consumers as unknown as Consumers, stream, consumer, max),
  }
}

/** The client of the packages `@nats-io`. */
async function storesOfVersion3(connection: StockConnection): Promise<StockStores> {
  const v3 = connection as unknown as natsCore.NatsConnection
  const manager = await jetstreamManager(v3)
  return {
    bucket: async (name) => (await new Kvm(v3).create(name, { history: 5 })) as unknown as StockBucket,
    objects: async (name) => (await new Objm(v3).create(name)) as unknown as StockObjects,
    addStream: (config) => manager.streams.add(config as Parameters<typeof manager.streams.add>[0]),
    addConsumer: (stream, config) => manager.consumers.add(stream, config),
    fetch: (stream, consumer, max) =>
      fetchFrom(manager.jetstream().consumers as unknown as Consumers, stream, consumer, max),
  }
}

// Options of every client: fail on a first error, and reconnect soon.
const steady = { maxReconnectAttempts: -1, reconnectTimeWait: 50, reconnectJitter: 0, timeout: 5_000 }

/** The clients under test, unmodified. */
export const stockClients: readonly StockClient[] = [
  {
    name: 'nats.ws 1.30',
    connect: async (options) => (await natsWs.connect({ ...steady, ...options })) as unknown as StockConnection,
    headers: () => natsWs.headers() as unknown as StockHeaders,
    stores: storesOfVersion2,
  },
  {
    // It makes WebSocket the transport of all later @nats-io connections of this process.
    name: 'nats-core 3.4 wsconnect',
    connect: async (options) => (await wsconnect({ ...steady, ...options })) as unknown as StockConnection,
    headers: () => natsCore.headers() as unknown as StockHeaders,
    stores: storesOfVersion3,
  },
]

/** The reference client, on the nats-server itself. */
export const serverSideClient: StockClient = {
  name: 'nats 2.29 (TCP)',
  connect: async (options) => (await nats.connect({ ...steady, ...options })) as unknown as StockConnection,
  headers: () => nats.headers() as unknown as StockHeaders,
}
