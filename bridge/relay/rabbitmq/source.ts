import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib'
import { decode, encode } from '../../../sdk/wire/bytes.ts'
import { SpanwireError } from '../../../sdk/wire/errors.ts'
import type { ForeignSource, Incoming, SourceOptions } from '../foreign.ts'
import type { RabbitQueueOptions } from './index.ts'
import { connectRabbit, toRabbitError } from './link.ts'
import { hasSingleActiveConsumer } from './single-active-consumer.ts'

/** A message with its delivery, for the acknowledgement. */
interface RabbitIncoming extends Incoming {
  readonly delivery: ConsumeMessage
}

/** The largest prefetch of AMQP. */
const MOST = 65_535

/** Opens a source. @throws SpanwireError (as rejection) the errors of {@link ForeignOrigin.openSource} */
export async function openRabbitSource(
  url: string,
  queue: string,
  { order = 'preferred' }: RabbitQueueOptions,
  options: SourceOptions,
): Promise<ForeignSource> {
  const connection = await connectRabbit(url)
  try {
    const channel = await connection.createChannel()
    channel.on('error', () => {})
    await channel.checkQueue(queue)
    const exclusive = order === 'none' ? false : await hasSingleActiveConsumer(connection, queue)
    if (!exclusive) checkOrder(queue, order, options)
    const source = new RabbitSource(connection, channel, queue, exclusive === true, options)
    await source.start()
    return source
  } catch (cause) {
    await connection.close().catch(() => {})
    throw toRabbitError(cause)
  }
}

function checkOrder(queue: string, order: RabbitQueueOptions['order'], { warn }: SourceOptions): void {
  const text = `the queue ${queue} has no x-single-active-consumer: several relays do not keep its order`
  if (order === 'required')
    throw new SpanwireError('broker-refused', `${text}. Declare the queue with it, or use another "order".`)
  if (order === 'preferred') warn(`${text}.`)
}

/** A queue, consumed on one channel. */
class RabbitSource implements ForeignSource {
  readonly exclusive: boolean
  readonly epoch = ''
  readonly #connection: ChannelModel
  readonly #channel: Channel
  readonly #queue: string
  readonly #options: SourceOptions
  #prefetch: number
  #consumerTag = ''
  #unsettled = 0
  #batch: Incoming[] = []
  #isClosed = false
  #changing: Promise<void> | undefined

  constructor(connection: ChannelModel, channel: Channel, queue: string, exclusive: boolean, options: SourceOptions) {
    this.#connection = connection
    this.#channel = channel
    this.#queue = queue
    this.exclusive = exclusive
    this.#options = options
    this.#prefetch = Math.min(options.window, MOST)
    const failed = (error?: unknown) => this.#failed(error ?? new Error('the connection was closed'))
    channel.on('close', failed)
    channel.on('error', failed)
    connection.on('close', failed)
  }

  async start(): Promise<void> {
    await this.#channel.prefetch(this.#prefetch)
    const { consumerTag } = await this.#channel.consume(this.#queue, (delivery) => this.#take(delivery))
    this.#consumerTag = consumerTag
  }

  /**
   * Lowers the prefetch if fewer messages reach the limit of bytes. The consumer subscribes again, as AMQP applies a prefetch
   * to new consumers only. Quorum queues have no prefetch for a channel.
   */
  pause(): void {
    if (this.#unsettled >= this.#prefetch || this.#prefetch === 1 || this.#changing || this.#isClosed) return
    this.#prefetch = Math.max(1, Math.floor(this.#unsettled / 2))
    this.#changing = (async () => {
      await this.#channel.cancel(this.#consumerTag)
      await this.start()
    })()
      .catch((error) => this.#failed(error))
      .finally(() => {
        this.#changing = undefined
      })
  }

  resume(): void {}

  async settle(done: readonly RabbitIncoming[]): Promise<void> {
    const last = done.at(-1)
    if (!last) return
    this.#unsettled -= done.length
    // Messages are settled in order. The acknowledgement includes all earlier ones.
    this.#channel.ack(last.delivery, true)
  }

  async lag(): Promise<number | undefined> {
    const { messageCount } = await this.#channel.checkQueue(this.#queue)
    return messageCount + this.#unsettled
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#changing
    // Pending acknowledgements are sent. Other messages return to the queue.
    await this.#channel.close().catch(() => {})
    await this.#connection.close().catch(() => {})
  }

  #failed(error: unknown): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#options.handler.failed(toRabbitError(error))
  }

  #take(delivery: ConsumeMessage | null): void {
    if (!delivery) return this.#failed(new Error(`the queue ${this.#queue} was deleted, or its leader moved`))
    this.#unsettled++
    if (this.#batch.length === 0)
      setImmediate(() => {
        const batch = this.#batch
        this.#batch = []
        if (!this.#isClosed) this.#options.handler.messages(batch)
      })
    this.#batch.push(toIncoming(delivery, this.#queue))
  }
}

function toIncoming(delivery: ConsumeMessage, lane: string): RabbitIncoming {
  const { fields, properties, content } = delivery
  const { messageId, timestamp, headers = {} } = properties
  return {
    lane,
    id: messageId || undefined,
    position: undefined,
    key: encode(fields.routingKey),
    headers: Object.entries(headers).map(([name, value]) => [name, toText(value)] as const),
    // Seconds in AMQP.
    time: Number.isFinite(timestamp) ? timestamp * 1_000 : undefined,
    payload: content,
    redelivered: fields.redelivered,
    delivery,
  }
}

/** Converts a header of AMQP, which has a type. Tables and arrays, such as `x-death`, become JSON. */
function toText(value: unknown): string {
  if (typeof value === 'string') return value
  if (value instanceof Uint8Array) return decode(value)
  if (typeof value !== 'object' || value === null) return String(value)
  return JSON.stringify(value, (_, inner) => (typeof inner === 'bigint' ? String(inner) : inner))
}
