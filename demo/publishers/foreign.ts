/**
 * Publishes to Kafka, RabbitMQ or ActiveMQ, as a service without NATS does. A relay brings the flights to NATS.
 *
 *     BROKER        kafka, rabbitmq or activemq
 *     BROKER_URL    such as amqp://guest:guest@127.0.0.1:5672
 *     REPLAY_SPEED  recorded seconds for each second; default 3600
 */
import { flightsOf, readFlightBroker } from '../setup/foreign-flights.ts'
import { startPublisher } from './start.ts'
import { newTrace } from './trace.ts'

const { kind, url } = readFlightBroker()
const flights = flightsOf(kind, url)
let opening = flights.openSink()
let count = 0

await startPublisher({
  name: 'foreign publisher',
  half: 'east',
  async publish({ origin, destination, departedAt, delay, distance }) {
    try {
      await (await opening).send({
        id: `flight-${process.pid}-${count++}`,
        key: new TextEncoder().encode(origin),
        // Not "destination", which is a header of STOMP.
        headers: [['fromAirport', origin], ['toAirport', destination], newTrace()],
        time: Date.now(),
        payload: new TextEncoder().encode(JSON.stringify({ departedAt, delay, distance, via: kind })),
        contentType: 'application/json',
      })
    } catch (error) {
      void opening.then((sink) => sink.close()).catch(() => {})
      opening = flights.openSink()
      opening.catch(() => {})
      throw error
    }
  },
})
await (await opening).close()
