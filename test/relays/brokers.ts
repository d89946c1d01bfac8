/** Real brokers of a test, and plain clients of them. */
import { Admin, Consumer, Producer } from '@platformatic/kafka'
import amqp from 'amqplib'
import { activemq } from '../../bridge/relay/activemq/index.ts'
import { StompClient } from '../../bridge/relay/activemq/stomp-client.ts'
import { headerOf, type StompFrame } from '../../bridge/relay/activemq/stomp-frame.ts'
import type { ForeignOrigin, ForeignTarget } from '../../bridge/relay/index.ts'
import { kafka } from '../../bridge/relay/kafka/index.ts'
import { rabbitmq } from '../../bridge/relay/rabbitmq/index.ts'
import { startActiveMq } from '../../demo/setup/brokers/activemq.ts'
import { startArtemis } from '../../demo/setup/brokers/artemis.ts'
import type { BrokerKind, ForeignBroker } from '../../demo/setup/brokers/foreign-broker.ts'
import { startKafka } from '../../demo/setup/brokers/kafka.ts'
import { startRabbit } from '../../demo/setup/brokers/rabbitmq.ts'
import { eventually } from '../support/eventually.ts'

/** A message that a plain client sends. */
export interface PlainMessage {
  readonly key?: string | Uint8Array
  readonly id?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly value: string | Uint8Array | null
}

/** A message that a plain client received. */
export interface PlainReceived {
  readonly id: string
  readonly key: string
  readonly headers: Readonly<Record<string, string>>
  readonly value: string | null
  /** The partition and the offset of Kafka. */
  readonly place?: readonly [partition: number, offset: number]
}

/** A broker with plain clients, which share no code with the relays but STOMP's frames. */
export interface TestBroker extends AsyncDisposable {
  readonly broker: ForeignBroker
  /** Makes queues or topics. */
  prepare(...names: readonly string[]): Promise<void>
  send(name: string, messages: readonly PlainMessage[]): Promise<void>
  /** Everything in a queue or topic; a queue is empty afterwards. */
  receiveAll(name: string): Promise<PlainReceived[]>
}

/** Starts a broker. @throws Error if it is unavailable, which `npm test` reports before */
export async function startBroker(kind: BrokerKind): Promise<TestBroker> {
  const start = { kafka: startKafka, rabbitmq: startRabbit, activemq: startActiveMq, artemis: startArtemis }[kind]
  const broker = await start()
  if (!broker) throw new Error(`These tests need ${kind}: apt and Maven Central must be in reach.`)
  if (kind === 'kafka') return kafkaClients(broker)
  return kind === 'rabbitmq' ? rabbitClients(broker) : stompClients(broker)
}

/** A place of the broker by the relay's own adapter. */
export function placeOf(kind: BrokerKind, url: string, name: string): ForeignOrigin & ForeignTarget {
  if (kind === 'kafka') return kafka({ brokers: url, sessionTimeout: 3_000 }).topic(name)
  if (kind === 'rabbitmq') return rabbitmq({ url }).queue(name)
  return activemq({ url }).queue(name)
}

function kafkaClients(broker: ForeignBroker): TestBroker {
  const common = { clientId: 'test', bootstrapBrokers: [broker.url], retries: 10 }
  const toBuffer = (given: string | Uint8Array) => Buffer.from(given as Uint8Array)
  return {
    broker,
    async prepare(...names) {
      const admin = new Admin(common)
      await admin.createTopics({ topics: [...names], partitions: 3, replicas: 1 })
      // The leaders of new partitions are elected a moment later.
      const producer = new Producer(common)
      await producer.metadata({ topics: [...names], forceUpdate: true })
      await producer.close(true)
      await admin.close()
    },
    async send(name, messages) {
      const producer = new Producer({ ...common, idempotent: true, acks: -1 })
      for (let from = 0; from < messages.length; from += 500)
        await producer.send({
          messages: messages.slice(from, from + 500).map(({ key, id, headers, value }) => ({
            topic: name,
            ...(key !== undefined && { key: toBuffer(key) }),
            ...(value !== null && { value: toBuffer(value) }),
            headers: new Map(
              Object.entries({ ...headers, ...(id !== undefined && { id }) }).map(([header, text]) => [
                Buffer.from(header),
                Buffer.from(text),
              ]),
            ),
          })),
        })
      await producer.close(true)
    },
    async receiveAll(name) {
      const consumer = new Consumer({
        ...common,
        groupId: `test-${crypto.randomUUID()}`,
        maxWaitTime: 200,
      })
      const ends = (await consumer.listOffsets({ topics: [name] })).get(name) ?? []
      const total = ends.reduce((sum, end) => sum + Number(end), 0)
      const received: PlainReceived[] = []
      if (total > 0) {
        const stream = await consumer.consume({ topics: [name], mode: 'earliest', autocommit: false })
        for await (const { key, value, headerEntries, partition, offset } of stream) {
          const headers = Object.fromEntries(headerEntries.map(([header, text]) => [String(header), String(text)]))
          received.push({
            id: headers['Spanwire-Id'] ?? '',
            key: key ? String(key) : '',
            headers,
            value: value ? String(value) : null,
            place: [partition, Number(offset)],
          })
          if (received.length >= total) break
        }
      }
      await consumer.close(true)
      return received
    },
    [Symbol.asyncDispose]: () => broker.stop(),
  }
}

function rabbitClients(broker: ForeignBroker): TestBroker {
  const within = async <T>(use: (channel: amqp.ConfirmChannel) => Promise<T>) => {
    const connection = await amqp.connect(broker.url)
    const channel = await connection.createConfirmChannel()
    const result = await use(channel)
    await connection.close()
    return result
  }
  return {
    broker,
    prepare: (...names) =>
      within(async (channel) => {
        for (const name of names)
          await channel.assertQueue(name, { durable: true, arguments: { 'x-single-active-consumer': true } })
      }),
    send: (name, messages) =>
      within(async (channel) => {
        for (const { id, headers, value } of messages)
          channel.sendToQueue(name, Buffer.from((value ?? '') as string), {
            persistent: true,
            headers,
            ...(id !== undefined && { messageId: id }),
          })
        await channel.waitForConfirms()
      }),
    receiveAll: (name) =>
      within(async (channel) => {
        const { messageCount } = await channel.checkQueue(name)
        const received: PlainReceived[] = []
        if (messageCount === 0) return received
        await new Promise<void>((resolve) =>
          channel.consume(name, (message) => {
            if (!message) return
            const { messageId, headers = {} } = message.properties
            const { fields, content } = message
            received.push({ id: String(messageId), key: fields.routingKey, headers, value: content.toString() })
            if (received.length < messageCount) return
            channel.ack(message, true)
            resolve()
          }),
        )
        return received
      }),
    [Symbol.asyncDispose]: () => broker.stop(),
  }
}

function stompClients(broker: ForeignBroker): TestBroker {
  const address = {
    host: '127.0.0.1',
    port: broker.stompPort ?? 0,
    tls: false,
    user: '',
    password: '',
    vhost: 'localhost',
  }
  // A broker that starts opens its ports one after the other.
  const connect = (message: (frame: StompFrame) => void): Promise<StompClient> =>
    eventually(() => StompClient.connect(address, 8 * 1024 * 1024, { message, ended() {} }).catch(() => undefined), {
      deadline: 60_000,
      what: 'a STOMP connection',
    })
  return {
    broker,
    // They are made on use.
    async prepare() {},
    async send(name, messages) {
      const client = await connect(() => {})
      // One write to the disk for each transaction, and not for each message.
      for (let from = 0; from < messages.length; from += 500) {
        const transaction = ['transaction', `t${from}`] as const
        client.write('BEGIN', [transaction])
        for (const { headers = {}, value } of messages.slice(from, from + 500)) {
          const own = [['destination', `/queue/${name}`], ['persistent', 'true'], transaction] as const
          client.write('SEND', [...own, ...Object.entries(headers)], Buffer.from((value ?? '') as string))
        }
        await client.confirm('COMMIT', [transaction])
      }
      await client.disconnect()
    },
    async receiveAll(name) {
      const received: PlainReceived[] = []
      let last = performance.now()
      const client = await connect((frame) => {
        last = performance.now()
        const headers = Object.fromEntries(frame.headers)
        const id = headerOf(frame, 'Spanwire-Id') ?? ''
        received.push({ id, key: headers.JMSXGroupID ?? '', headers, value: Buffer.from(frame.body).toString() })
      })
      await client.confirm('SUBSCRIBE', [
        ['id', '1'],
        ['destination', `/queue/${name}`],
        ['ack', 'auto'],
      ])
      // STOMP does not report an empty queue.
      while (performance.now() - last < 1_000) await new Promise((resolve) => setTimeout(resolve, 50))
      await client.disconnect()
      return received
    },
    [Symbol.asyncDispose]: () => broker.stop(),
  }
}
