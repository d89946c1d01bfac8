/** Relays from and to RabbitMQ by AMQP 0-9-1. Needs `npm install amqplib`. */
import { SpanwireError } from '../../../sdk/wire/errors.ts'
import type { ForeignDescription, ForeignOrigin, ForeignTarget } from '../foreign.ts'
import { openRabbitSink } from './sink.ts'
import { openRabbitSource } from './source.ts'

/** Options of {@link rabbitmq}. */
export interface RabbitOptions {
  /** `amqp://user:password@host:5672/vhost`, or `amqps://…`. */
  readonly url: string
  /** Distinguishes brokers that have queues of the same name. Part of checkpoints and ids: keep it. Default: none. */
  readonly name?: string
}

/** Options of a queue. */
export interface RabbitQueueOptions {
  /**
   * Whether the queue must have `x-single-active-consumer`, which keeps its order over several relays. Without it,
   * `required` refuses the relay and `preferred` warns. `none` allows relays to compete, without order. Default `preferred`.
   */
  readonly order?: 'required' | 'preferred' | 'none'
}

/** A RabbitMQ broker: what {@link rabbitmq} returns. */
export interface RabbitBroker {
  /** A queue, to read from, or to write to by the default exchange. It has to exist. */
  queue(name: string, options?: RabbitQueueOptions): RabbitQueue
  /** An exchange, to write to. The relay's `key` is the routing key. It has to exist. */
  exchange(name: string): ForeignTarget
}

/** A queue of RabbitMQ. */
export interface RabbitQueue extends ForeignOrigin, ForeignTarget {}

/**
 * Returns a RabbitMQ broker. It connects when a relay runs.
 *
 *     const shop = rabbitmq({ url: 'amqp://guest:guest@127.0.0.1:5672' })
 *     into(events, 'orders.{orderId}.created', { from: shop.queue('orders'), params: … })
 *
 * @throws SpanwireError `invalid-argument` for a bad URL
 */
export function rabbitmq({ url, name }: RabbitOptions): RabbitBroker {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (!parsed || !/^amqps?:$/.test(parsed.protocol))
    throw new SpanwireError('invalid-argument', 'The URL of RabbitMQ must be amqp:// or amqps://.')
  const prefix = name === undefined ? '' : `${encodeURIComponent(name)}/`
  const vhost = decodeURIComponent(parsed.pathname.slice(1)) || '/'
  const describe = (address: string, is: 'queue' | 'routingKey'): ForeignDescription => ({
    protocol: parsed.protocol.slice(0, -1),
    host: parsed.host,
    address,
    channel: {
      amqp: {
        is,
        ...(is === 'queue' ? { queue: { name: address, vhost } } : { exchange: { name: address, vhost } }),
        bindingVersion: '0.3.0',
      },
    },
  })
  return {
    queue: (queue, options = {}) => ({
      place: `rabbitmq:${prefix}${encodeURIComponent(queue)}`,
      described: describe(queue, 'queue'),
      shared: false,
      identity: 'a message is known by its message-id property',
      openSource: (source) => openRabbitSource(url, queue, options, source),
      openSink: () => openRabbitSink(url, { queue }),
    }),
    exchange: (exchange) => ({
      place: `rabbitmq:${prefix}exchange/${encodeURIComponent(exchange)}`,
      described: describe(exchange, 'routingKey'),
      openSink: () => openRabbitSink(url, { exchange }),
    }),
  }
}
