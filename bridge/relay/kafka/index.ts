/** Relays from and to Apache Kafka. Needs `npm install @platformatic/kafka`, and Node 22.22 or later. */
import { SpanwireError } from '../../../sdk/wire/errors.ts'
import type { ForeignDescription, ForeignOrigin, ForeignTarget } from '../foreign.ts'
import type { KafkaLink } from './link.ts'
import { openKafkaSink } from './sink.ts'
import { openKafkaSource } from './source.ts'

/** Options of {@link kafka}. */
export interface KafkaOptions {
  /** `host:port` of one or more brokers. */
  readonly brokers: string | readonly string[]
  /** Distinguishes clusters that have topics of the same name. Part of checkpoints and ids: keep it. Default: none. */
  readonly cluster?: string
  /** The client id for logs and quotas of Kafka. Default `spanwire`. */
  readonly clientId?: string
  /** `true`, or options of `node:tls`. Default: no encryption. */
  readonly tls?: boolean | Readonly<Record<string, unknown>>
  /** Credentials: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`. Default: none. */
  readonly sasl?: { readonly mechanism: string; readonly username: string; readonly password: string }
  /** The time without a heartbeat after which other relays get the partitions, in ms. Default 10,000. */
  readonly sessionTimeout?: number
}

/** Options of a topic. */
export interface KafkaTopicOptions {
  /** The consumer group. Default `spanwire.<relay>`. */
  readonly group?: string
  /** The first record for a group without committed offsets. Default `earliest`. */
  readonly from?: 'earliest' | 'latest'
}

/** A Kafka cluster: what {@link kafka} returns. */
export interface KafkaCluster {
  /** A topic, to read from or to write to. It has to exist. */
  topic(name: string, options?: KafkaTopicOptions): KafkaTopic
}

/** A topic of Kafka. */
export interface KafkaTopic extends ForeignOrigin, ForeignTarget {}

/**
 * Returns a Kafka cluster. It connects when a relay runs.
 *
 *     const shop = kafka({ brokers: 'kafka.example.com:9092' })
 *     into(events, 'orders.{orderId}.created', { from: shop.topic('orders'), params: … })
 *
 * @throws SpanwireError `invalid-argument` without a broker
 */
export function kafka(options: KafkaOptions): KafkaCluster {
  const brokers = [options.brokers].flat()
  if (brokers.length === 0 || !brokers.every((broker) => /^[^\0-\x20:]+:\d+$/.test(broker)))
    throw new SpanwireError('invalid-argument', `brokers: ${JSON.stringify(options.brokers)}. Use "host:port".`)
  const { tls, sasl } = options
  const link: KafkaLink = {
    sessionTimeout: options.sessionTimeout ?? 10_000,
    client: {
      clientId: options.clientId ?? 'spanwire',
      bootstrapBrokers: [...brokers],
      // A relay tries again itself and reports it. Attempts of the client are not reported.
      retries: 1,
      retryDelay: 250,
      connectTimeout: 5_000,
      requestTimeout: 30_000,
      ...(tls && { tls: tls === true ? {} : tls }),
      ...(sasl && { sasl }),
    },
  }
  return {
    topic(name, given = {}) {
      const prefix = options.cluster === undefined ? '' : `${encodeURIComponent(options.cluster)}/`
      const described: ForeignDescription = {
        protocol: 'kafka',
        host: brokers.join(','),
        address: name,
        channel: { kafka: { topic: name, bindingVersion: '0.5.0' } },
      }
      return {
        place: `kafka:${prefix}${encodeURIComponent(name)}`,
        described,
        shared: true,
        identity: 'a message is known by topic, partition and offset',
        openSource: (source) => openKafkaSource(link, name, given, source),
        openSink: () => openKafkaSink(link, name),
      }
    },
  }
}
