import { element, make } from './element.ts'

/** Ways into NATS, by the member `via` of an event. */
const WAYS: Readonly<Record<string, readonly [half: string, way: string]>> = {
  http: ['west', 'from an edge function'],
  nats: ['east', 'from a service'],
  kafka: ['east', 'from Kafka through a relay'],
  rabbitmq: ['east', 'from RabbitMQ through a relay'],
  activemq: ['east', 'from ActiveMQ through a relay'],
}

/** A key to the column `Via` of the board: the ways that flights have come so far. */
export class Ways {
  readonly #list = element('ways')
  readonly #seen = new Set<string>()

  add(via: string): void {
    if (this.#seen.has(via)) return
    this.#seen.add(via)
    const all = this.#seen.size === 1 ? 'All' : ''
    const rows = Object.entries(WAYS).filter(([name]) => this.#seen.has(name))
    this.#list.replaceChildren(...rows.map(([name, [half, way]]) => row(name, all || half, way)))
  }
}

function row(via: string, half: string, way: string): HTMLElement {
  const item = make('li')
  const flights = half === 'All' ? 'all flights' : `the ${half}`
  item.append(make('b', '', via.toUpperCase()), ` ${flights}, ${way}`)
  return item
}
