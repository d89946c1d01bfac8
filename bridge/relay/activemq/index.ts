/**
 * Relays from and to ActiveMQ Classic by STOMP 1.2, and to other brokers that speak it: ActiveMQ Artemis, and RabbitMQ with
 * its STOMP plugin. Needs no client package.
 */
import { SpanwireError } from '../../../sdk/wire/errors.ts'
import type { ForeignDescription, ForeignOrigin, ForeignTarget } from '../foreign.ts'
import { openStompSink } from './sink.ts'
import { openStompSource } from './source.ts'
import type { StompAddress } from './stomp-client.ts'

/** Options of {@link activemq}. */
export interface ActiveMqOptions {
  /** `stomp://host:61613`, or `stomps://…` for TLS. */
  readonly url: string
  /** Default: the user of the URL. */
  readonly user?: string
  /** Default: the password of the URL. */
  readonly password?: string
  /** The virtual host. Default: the host of the URL; RabbitMQ needs `/`. */
  readonly vhost?: string
  /** Distinguishes brokers that have queues of the same name. Part of checkpoints and ids: keep it. Default: none. */
  readonly name?: string
}

/** Options of a queue. */
export interface ActiveMqQueueOptions {
  /**
   * Whether the relay is an exclusive consumer, which keeps the order over several relays. Default true. ActiveMQ Classic
   * supports it for each subscription. Other brokers need it in the configuration of the queue, and the relay warns.
   */
  readonly exclusive?: boolean
  /** Additional headers of the subscription, such as `selector`. Default: none. */
  readonly subscribe?: Readonly<Record<string, string>>
  /** The kind of JMS message that receivers get. Default `text`, and `bytes` for an event whose codec has bytes. */
  readonly as?: 'text' | 'bytes'
}

/** A STOMP broker: what {@link activemq} returns. */
export interface ActiveMqBroker {
  /** A queue, to read from or to write to. */
  queue(name: string, options?: ActiveMqQueueOptions): ActiveMqQueue
  /** A topic, to write to. To read a topic, use the queue of a virtual topic: `queue('Consumer.relay.VirtualTopic.orders')`. */
  topic(name: string, options?: Pick<ActiveMqQueueOptions, 'as'>): ForeignTarget
}

/** A queue of ActiveMQ. */
export interface ActiveMqQueue extends ForeignOrigin, ForeignTarget {}

/**
 * Returns an ActiveMQ broker. It connects when a relay runs.
 *
 *     const shop = activemq({ url: 'stomp://127.0.0.1:61613' })
 *     into(events, 'orders.{orderId}.created', { from: shop.queue('orders'), params: … })
 *
 * @throws SpanwireError `invalid-argument` for a bad URL
 */
export function activemq(options: ActiveMqOptions): ActiveMqBroker {
  const parsed = URL.canParse(options.url) ? new URL(options.url) : undefined
  if (!parsed || !/^stomps?:$/.test(parsed.protocol) || parsed.hostname === '')
    throw new SpanwireError('invalid-argument', 'The URL of ActiveMQ must be stomp:// or stomps://.')
  const prefix = options.name === undefined ? '' : `${encodeURIComponent(options.name)}/`
  const address: StompAddress = {
    host: parsed.hostname.replace(/^\[(.*)\]$/s, '$1'),
    port: Number(parsed.port || 61_613),
    tls: parsed.protocol === 'stomps:',
    user: options.user ?? decodeURIComponent(parsed.username),
    password: options.password ?? decodeURIComponent(parsed.password),
    vhost: options.vhost ?? parsed.hostname,
  }
  const describe = (destination: string): ForeignDescription => ({
    protocol: 'stomp',
    host: parsed.host,
    address: destination,
  })
  return {
    queue: (queue, given = {}) => ({
      place: `activemq:${prefix}${encodeURIComponent(queue)}`,
      described: describe(`/queue/${queue}`),
      shared: false,
      identity: "a message is known by the broker's message id",
      openSource: (source) => openStompSource(address, queue, given, source),
      openSink: () => openStompSink(address, `/queue/${queue}`, given.as),
    }),
    topic: (topic, given = {}) => ({
      place: `activemq:${prefix}topic/${encodeURIComponent(topic)}`,
      described: describe(`/topic/${topic}`),
      openSink: () => openStompSink(address, `/topic/${topic}`, given.as),
    }),
  }
}
