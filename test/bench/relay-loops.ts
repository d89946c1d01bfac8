/** Loops that relays are compared with: a plain consumer, and bare loops that also store. They share no code with relays. */
import { Consumer } from '@platformatic/kafka'
import amqp from 'amqplib'
import { connect, headers as createHeaders, type NatsConnection } from 'nats'
import { StompClient } from '../../bridge/relay/activemq/stomp-client.ts'
import { headerOf } from '../../bridge/relay/activemq/stomp-frame.ts'
import type { ForeignBroker } from '../../demo/setup/brokers/foreign-broker.ts'

/** A message of any broker. */
interface Message {
  /** The same for a repetition. */
  readonly id: string
  readonly value: Uint8Array
  acknowledge(): void
}

/** Called with each message. */
type Take = (message: Message) => void

/** Consumes a topic or queue. Returns a function that disconnects. */
type Consume = (broker: ForeignBroker, name: string, take: Take) => Promise<() => Promise<unknown>>

/** Messages that a broker may deliver without an acknowledgement: the default of relays. */
const WINDOW = 4_000

const consumers: Record<string, Consume> = {
  async kafka({ url }, name, take) {
    const consumer = new Consumer({
      clientId: 'loop',
      bootstrapBrokers: [url],
      groupId: `loop-${name}-${Math.random()}`,
      maxWaitTime: 500,
    })
    const stream = await consumer.consume({ topics: [name], mode: 'earliest', autocommit: 200 })
    const acknowledge = () => {}
    stream.on('data', ({ partition, offset, value }) => {
      take({ id: `${partition}/${offset}`, value: value ?? new Uint8Array(), acknowledge })
    })
    return () => consumer.close(true)
  },
  async rabbitmq({ url }, name, take) {
    const connection = await amqp.connect(url)
    const channel = await connection.createChannel()
    await channel.prefetch(WINDOW)
    await channel.consume(name, (message) => {
      if (!message) return
      const { content, properties } = message
      take({ id: String(properties.messageId), value: content, acknowledge: () => channel.ack(message) })
    })
    return () => connection.close()
  },
  async activemq({ stompPort = 0 }, name, take) {
    const address = { host: '127.0.0.1', port: stompPort, tls: false, user: '', password: '', vhost: 'localhost' }
    const client = await StompClient.connect(address, 1024 * 1024, {
      message: (frame) =>
        take({
          id: headerOf(frame, 'message-id') ?? '',
          value: frame.body,
          acknowledge: () => client.write('ACK', [['id', headerOf(frame, 'ack') ?? '']]),
        }),
      ended() {},
    })
    client.write('SUBSCRIBE', [
      ['id', '1'],
      ['destination', `/queue/${name}`],
      ['ack', 'client-individual'],
      ['activemq.prefetchSize', String(WINDOW)],
    ])
    return () => client.disconnect()
  },
}

/** Work of a loop with messages: parse only, or also store them. */
export type LoopStore = 'none' | 'batches' | 'ids'

/** Options of {@link runLoop}. */
export interface LoopOptions {
  readonly broker: ForeignBroker
  /** URL of NATS. */
  readonly nats: string
  /** The topic or queue. */
  readonly name: string
  readonly count: number
  readonly store: LoopStore
}

/** Resolves after `count` messages were parsed, stored and acknowledged. Returns a function that disconnects. */
export async function runLoop({ broker, nats, name, count, store }: LoopOptions): Promise<() => Promise<unknown>> {
  const consume = consumers[broker.kind]
  if (!consume) throw new Error(`No loop exists for ${broker.kind}.`)
  const connection = await connect({ servers: nats.replace('nats://', '') })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let done = 0
  const finish = (messages: readonly Message[]) => {
    for (const message of messages) message.acknowledge()
    done += messages.length
    if (done === count) resolve()
  }
  const put = { none: async () => {}, batches: storeBatch, ids: storeByIds }[store]
  let waiting: Message[] = []
  let isStoring = false
  const work = async () => {
    isStoring = true
    await null
    while (waiting.length > 0) {
      const part = waiting.slice(0, MOST)
      waiting = waiting.slice(MOST)
      await put(connection, part)
      finish(part)
    }
    isStoring = false
  }
  const stop = await consume(broker, name, (message) => {
    if (store === 'none') {
      keyOf(message)
      return finish([message])
    }
    waiting.push(message)
    if (!isStoring) work().catch(reject)
  })
  await promise
  return async () => {
    await stop()
    await connection.close()
  }
}

/** Messages of one batch: the server's limit. */
const MOST = 1_000

function keyOf({ value }: Message): string {
  return (JSON.parse(Buffer.from(value).toString()) as { key: string }).key
}

async function storeBatch(connection: NatsConnection, messages: readonly Message[]): Promise<void> {
  const batch = crypto.randomUUID()
  const send = (message: Message, index: number) => {
    const headers = createHeaders()
    headers.set('Nats-Msg-Id', message.id)
    headers.set('Nats-Batch-Id', batch)
    headers.set('Nats-Batch-Sequence', String(index + 1))
    return [`bench.${keyOf(message)}`, message.value, headers] as const
  }
  messages.slice(0, -1).forEach((message, index) => {
    const [subject, value, headers] = send(message, index)
    connection.publish(subject, value, { headers })
  })
  const last = messages.at(-1)
  if (!last) return
  const [subject, value, headers] = send(last, messages.length - 1)
  headers.set('Nats-Batch-Commit', '1')
  const answer = await connection.request(subject, value, { headers, timeout: 10_000 })
  const { error } = answer.json<{ error?: unknown }>()
  if (error) throw new Error(JSON.stringify(error))
}

async function storeByIds(connection: NatsConnection, messages: readonly Message[]): Promise<void> {
  const stream = connection.jetstream()
  const store = (message: Message) => stream.publish(`bench.${keyOf(message)}`, message.value, { msgID: message.id })
  await Promise.all(messages.map(store))
}
