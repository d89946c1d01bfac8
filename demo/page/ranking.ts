import { placeName } from './airports.ts'
import { element, make } from './element.ts'
import { ANY, EVERYTHING, type Filter } from './filter.ts'

/** Rows of a wide page. A narrower page hides the last ones. */
const ROWS = 20

/** The airports with the most events. A click on an airport filters by it. */
export class Ranking {
  readonly #list = element('ranking')
  readonly #title = element('ranking-title')
  readonly #empty = element('ranking-empty')
  readonly #counts = new Map<string, number>()
  readonly #rows = Array.from({ length: ROWS }, makeRow)
  #filter = EVERYTHING

  constructor(choose: (filter: Filter) => void) {
    for (const { item, button } of this.#rows) {
      this.#list.append(item)
      button.addEventListener('click', () => {
        const code = button.dataset.code ?? ANY
        choose(this.#byDestination ? { ...this.#filter, destination: code } : { ...this.#filter, origin: code })
      })
    }
  }

  get #byDestination(): boolean {
    return this.#filter.origin !== ANY
  }

  filtered(filter: Filter): void {
    this.#filter = filter
    this.#counts.clear()
    const { origin, destination } = filter
    if (origin !== ANY) this.#title.textContent = `Where ${origin} flies to`
    else this.#title.textContent = destination !== ANY ? `Origins of flights to ${destination}` : 'Busiest origins'
    this.show(true)
  }

  add(origin: string, destination: string): void {
    const code = this.#byDestination ? destination : origin
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1)
  }

  /** Sorts the list, unless a pointer or the focus is on one of its rows. */
  show(force = false): void {
    if (!force && this.#list.matches(':hover, :focus-within')) return
    const top = [...this.#counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, ROWS)
    const most = top[0]?.[1] ?? 1
    this.#empty.hidden = top.length > 0
    for (const [i, row] of this.#rows.entries()) {
      const [code, count] = top[i] ?? []
      row.item.hidden = code === undefined
      if (code === undefined || count === undefined) continue
      row.button.dataset.code = code
      row.button.style.setProperty('--share', (count / most).toFixed(3))
      row.code.textContent = code
      row.place.textContent = placeName(code)
      row.count.textContent = String(count)
    }
  }
}

function makeRow(): Record<'item' | 'button' | 'code' | 'place' | 'count', HTMLElement> {
  const item = make('li')
  const button = make('button')
  button.type = 'button'
  const [code, place, count] = [make('b'), make('span'), make('i')]
  button.append(code, place, count)
  item.append(button)
  item.hidden = true
  return { item, button, code, place, count }
}
