import { cityName } from './airports.ts'
import { element, make } from './element.ts'

const ROWS = 24
const COLUMNS = 5
/** Shortest time for which a row stays, in ms, so that it can be read. */
const INTERVAL = 700

/** A flight as the board shows it. */
export interface Departure {
  readonly origin: string
  readonly destination: string
  readonly departedAt: string
  readonly delay: number
  readonly late: boolean
  readonly via: string
}

/** The latest departures, newest first. Shows a sample of them when they arrive too fast to read. */
export class Board {
  readonly #rows = Array.from({ length: ROWS }, makeRow)
  readonly #empty = element('board-empty')
  #departures: Departure[] = []
  #shown = 0

  constructor() {
    element('board').append(...this.#rows.map(({ row }) => row))
  }

  /** Adds a departure. @param isPast whether it fills the board at the start, where every row counts */
  add(departure: Departure, now: number, isPast: boolean): void {
    if (!isPast && now - this.#shown < INTERVAL && this.#departures.length === ROWS) return
    if (!isPast) this.#shown = now
    this.#departures = [departure, ...this.#departures.slice(0, ROWS - 1)]
    this.#show()
  }

  clear(): void {
    this.#departures = []
    this.#shown = 0
    this.#show()
  }

  /** Moves the texts from row to row. The rows keep their positions, so that the page does not jump. */
  #show(): void {
    this.#empty.hidden = this.#departures.length > 0
    for (const [i, { row, cells }] of this.#rows.entries()) {
      const departure = this.#departures[i]
      row.className = departure ? (departure.late ? 'late' : '') : 'blank'
      const words = departure ? describe(departure) : []
      for (const [column, cell] of cells.entries()) cell.textContent = words[column] ?? ''
    }
  }
}

function makeRow(): { row: HTMLElement; cells: HTMLElement[] } {
  const row = make('tr', 'blank')
  const cells = Array.from({ length: COLUMNS }, () => make('td'))
  row.append(...cells)
  return { row, cells }
}

function describe({ departedAt, origin, destination, delay, via }: Departure): string[] {
  return [departedAt.slice(11), `${origin} → ${destination}`, cityName(destination), signed(delay), via.toUpperCase()]
}

function signed(minutes: number): string {
  if (minutes === 0) return '0'
  return minutes < 0 ? `−${-minutes}` : `+${minutes}`
}
