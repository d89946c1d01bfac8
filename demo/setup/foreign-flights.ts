import { activemq } from '../../bridge/relay/activemq/index.ts'
import type { ForeignOrigin, ForeignTarget } from '../../bridge/relay/index.ts'
import { kafka } from '../../bridge/relay/kafka/index.ts'
import { rabbitmq } from '../../bridge/relay/rabbitmq/index.ts'
import { startActiveMq } from './brokers/activemq.ts'
import type { ForeignBroker } from './brokers/foreign-broker.ts'
import { startKafka } from './brokers/kafka.ts'
import { startRabbit } from './brokers/rabbitmq.ts'

/** Brokers that the flights of the east can come from. */
export const FOREIGN_BROKERS = ['kafka', 'rabbitmq', 'activemq'] as const
export type FlightBroker = (typeof FOREIGN_BROKERS)[number]

/** The topic or queue of the flights. */
const NAME = 'flights'

/**
 * Starts a broker, and makes the topic or queue of the flights.
 * @throws Error where the broker is unavailable
 */
export async function startFlightBroker(kind: FlightBroker): Promise<ForeignBroker> {
  const start = { kafka: startKafka, rabbitmq: startRabbit, activemq: startActiveMq }[kind]
  const broker = await start()
  if (!broker)
    throw new Error(
      `--broker ${kind}: it is unavailable. RabbitMQ and ActiveMQ come from Debian by apt-get, Kafka from Maven Central by mvn; Kafka and ActiveMQ need Java 17.`,
    )
  if (kind === 'kafka') {
    const { Admin } = await import('@platformatic/kafka')
    const admin = new Admin({ clientId: 'demo', bootstrapBrokers: [broker.url] })
    await admin.createTopics({ topics: [NAME], partitions: 3, replicas: 1 })
    await admin.close()
  } else if (kind === 'rabbitmq') {
    const { connect } = await import('amqplib')
    const connection = await connect(broker.url)
    const channel = await connection.createChannel()
    await channel.assertQueue(NAME, { durable: true, arguments: { 'x-single-active-consumer': true } })
    await connection.close()
  }
  return broker
}

/** The flights of a broker, to read and to write. */
export function flightsOf(kind: FlightBroker, url: string): ForeignOrigin & ForeignTarget {
  if (kind === 'kafka') return kafka({ brokers: url }).topic(NAME)
  return kind === 'rabbitmq' ? rabbitmq({ url }).queue(NAME) : activemq({ url }).queue(NAME)
}

/** The broker that the environment names. @throws Error if it names none */
export function readFlightBroker(): { readonly kind: FlightBroker; readonly url: string } {
  const { BROKER: kind, BROKER_URL: url } = process.env
  const known = FOREIGN_BROKERS.find((one) => one === kind)
  if (!known || !url) throw new Error(`Give BROKER (${FOREIGN_BROKERS.join(', ')}) and BROKER_URL.`)
  return { kind: known, url }
}
