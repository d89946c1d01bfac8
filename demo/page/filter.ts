import { airports } from './airports.ts'
import { element, make } from './element.ts'

/** Filter of the page's subscription: airport codes, or `*` for any. */
export interface Filter {
  readonly origin: string
  readonly destination: string
}

export const ANY = '*'
export const EVERYTHING: Filter = { origin: ANY, destination: ANY }

/** The controls above the map. */
export class FilterBar {
  readonly #origin = element<HTMLSelectElement>('origin')
  readonly #destination = element<HTMLSelectElement>('destination')
  readonly #clear = element<HTMLButtonElement>('clear')
  readonly #subject = element('subject')
  readonly #changed: (filter: Filter) => void
  #filter = EVERYTHING

  constructor(changed: (filter: Filter) => void) {
    this.#changed = changed
    for (const select of [this.#origin, this.#destination]) {
      for (const { code, city, state } of airports.values()) select.add(new Option(`${code} ${city}, ${state}`, code))
      select.addEventListener('change', () => this.#read())
    }
    this.#clear.addEventListener('click', () => this.set(EVERYTHING))
    element('filter').addEventListener('submit', (event) => event.preventDefault())
  }

  get filter(): Filter {
    return this.#filter
  }

  /** Selects `filter` in the controls, as a visitor does. */
  set(filter: Filter): void {
    this.#origin.value = filter.origin
    this.#destination.value = filter.destination
    this.#read()
  }

  #read(): void {
    const filter = { origin: this.#origin.value, destination: this.#destination.value }
    if (filter.origin === this.#filter.origin && filter.destination === this.#filter.destination) return
    this.#filter = filter
    const unfiltered = filter.origin === ANY && filter.destination === ANY
    if (unfiltered && document.activeElement === this.#clear) this.#origin.focus()
    this.#clear.disabled = unfiltered
    this.#subject.replaceChildren('flights.', token(filter.origin), '.', token(filter.destination), '.departed')
    this.#changed(filter)
  }
}

function token(code: string): Node {
  return code === ANY ? document.createTextNode(code) : make('b', '', code)
}
