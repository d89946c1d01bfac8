import type { ForeignSource, Incoming, SourceOptions } from '../foreign.ts'
import type { ActiveMqQueueOptions } from './index.ts'
import { fromFrameHeaders } from './reserved-headers.ts'
import { type StompAddress, StompClient } from './stomp-client.ts'
import { headerOf, type StompFrame } from './stomp-frame.ts'

/** A message with the id of its acknowledgement. */
interface StompIncoming extends Incoming {
  readonly ack: string
}

const SUBSCRIPTION = 'relay'
/** The largest message, in bytes. RabbitMQ's default limit is the largest of the three brokers. */
const MOST_BODY = 128 * 1024 * 1024

/** Opens a source. @throws SpanwireError (as rejection) the errors of {@link ForeignOrigin.openSource} */
export async function openStompSource(
  address: StompAddress,
  queue: string,
  { exclusive = true, subscribe = {} }: ActiveMqQueueOptions,
  options: SourceOptions,
): Promise<ForeignSource> {
  const source: { current?: StompSource } = {}
  const client = await StompClient.connect(address, MOST_BODY, {
    message: (frame) => source.current?.take(frame),
    ended: (error) => options.handler.failed(error),
  })
  const isClassic = client.server.startsWith('ActiveMQ/')
  const opened = new StompSource(client, queue, { exclusive: exclusive && isClassic, server: client.server, options })
  source.current = opened
  if (exclusive && !isClassic)
    options.warn(`${client.server || 'this broker'} has no exclusive consumers by STOMP. ${hintFor(client.server)}`)
  try {
    await client.confirm('SUBSCRIBE', [
      ['id', SUBSCRIPTION],
      ['destination', `/queue/${queue}`],
      // An ACK settles a message and all messages before it.
      ['ack', 'client'],
      // The window by the names of ActiveMQ Classic and RabbitMQ (messages), and of Artemis (bytes).
      ['activemq.prefetchSize', String(Math.min(options.window, 32_766))],
      ['prefetch-count', String(Math.min(options.window, 65_535))],
      ['consumer-window-size', String(options.windowBytes)],
      ...(exclusive && isClassic ? [['activemq.exclusive', 'true'] as const] : []),
      ...Object.entries(subscribe),
    ])
  } catch (error) {
    await client.disconnect()
    throw error
  }
  return opened
}

function hintFor(server: string): string {
  if (/rabbitmq/i.test(server))
    return 'For order over several relays, declare the queue with x-single-active-consumer, or use spanwire/relay/rabbitmq.'
  return 'For order over several relays, configure the queue as exclusive.'
}

interface StompSourceOptions {
  readonly exclusive: boolean
  readonly server: string
  readonly options: SourceOptions
}

/** One queue, subscribed on one connection. */
class StompSource implements ForeignSource {
  readonly exclusive: boolean
  readonly epoch = ''
  readonly #client: StompClient
  readonly #queue: string
  readonly #options: SourceOptions
  readonly #hasStableIds: boolean
  #batch: Incoming[] = []
  #isClosed = false

  constructor(client: StompClient, queue: string, { exclusive, server, options }: StompSourceOptions) {
    this.exclusive = exclusive
    this.#client = client
    this.#queue = queue
    this.#options = options
    // The message-id of RabbitMQ is a number of the session.
    this.#hasStableIds = !/rabbitmq/i.test(server)
  }

  pause(): void {
    this.#client.pause()
  }

  resume(): void {
    this.#client.resume()
  }

  async settle(done: readonly StompIncoming[]): Promise<void> {
    const last = done.at(-1)
    if (last) this.#client.write('ACK', [['id', last.ack]])
  }

  /** Undefined: STOMP has no request for it. */
  async lag(): Promise<undefined> {
    return undefined
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#client.disconnect()
  }

  take(frame: StompFrame): void {
    if (this.#batch.length === 0)
      setImmediate(() => {
        const batch = this.#batch
        this.#batch = []
        if (!this.#isClosed) this.#options.handler.messages(batch)
      })
    this.#batch.push(this.#toIncoming(frame))
  }

  #toIncoming(frame: StompFrame): StompIncoming {
    const id = this.#hasStableIds ? headerOf(frame, 'message-id') : headerOf(frame, 'amqp-message-id')
    const time = Number(headerOf(frame, 'timestamp'))
    return {
      lane: this.#queue,
      id: id || undefined,
      position: undefined,
      key: undefined,
      headers: fromFrameHeaders(frame.headers),
      // Seconds in RabbitMQ, ms in the other brokers.
      time: time > 0 ? (this.#hasStableIds ? time : time * 1_000) : undefined,
      payload: frame.body,
      redelivered: headerOf(frame, 'redelivered') === 'true',
      ack: headerOf(frame, 'ack') ?? headerOf(frame, 'message-id') ?? '',
    }
  }
}
