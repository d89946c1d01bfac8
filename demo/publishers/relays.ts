/** The relay of the flights: from the topic or queue of a foreign broker to the event of the contract. */
import { into } from '../../bridge/relay/index.ts'
import { DEPARTED, events } from '../events.ts'
import { flightsOf, readFlightBroker } from '../setup/foreign-flights.ts'

const { kind, url } = readFlightBroker()

export { events }
export const relays = {
  flights: into(events, DEPARTED, {
    from: flightsOf(kind, url),
    params: ({ headers }) => ({
      origin: headers.get('fromAirport') ?? '',
      destination: headers.get('toAirport') ?? '',
    }),
  }),
}
