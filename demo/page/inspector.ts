import { element, make } from './element.ts'

/** One event as it was received. */
export interface Inspected {
  readonly subject: string
  /** Sequence in the stream. Undefined for an event without a stream. */
  readonly seq: number | undefined
  /** Size of its data, in bytes. */
  readonly size: number
  /** Latency from publisher to page, in ms. Undefined for a replayed event. */
  readonly latency: number | undefined
  /** Id of the trace that the publisher started. */
  readonly trace: string | undefined
}

/** Number of events that are kept. */
const MOST = 200
/** Number of rows that are shown. */
const SHOWN = 40
const REFRESH = 250

/** The newest events that match the search text of the visitor. */
export class Inspector {
  readonly #rows = element<HTMLTableSectionElement>('events')
  readonly #find = element<HTMLInputElement>('find')
  readonly #pause = element<HTMLButtonElement>('pause')
  readonly #count = element('inspected')
  readonly #kept: Inspected[] = []
  #isPaused = false
  #isStale = true

  constructor() {
    this.#find.addEventListener('input', () => this.#refresh())
    this.#pause.addEventListener('click', () => {
      this.#isPaused = !this.#isPaused
      this.#pause.textContent = this.#isPaused ? 'Resume' : 'Pause'
      this.#refresh()
    })
    setInterval(() => this.#isStale && !this.#isPaused && this.#refresh(), REFRESH)
  }

  add(event: Inspected): void {
    if (this.#isPaused) return
    this.#kept.push(event)
    if (this.#kept.length > 2 * MOST) this.#kept.splice(0, this.#kept.length - MOST)
    this.#isStale = true
  }

  #refresh(): void {
    this.#isStale = false
    const wanted = this.#find.value.trim().toLowerCase()
    const kept = this.#kept.slice(-MOST)
    const found = kept.filter(({ subject, trace = '' }) => `${subject} ${trace}`.toLowerCase().includes(wanted))
    this.#rows.replaceChildren(...found.slice(-SHOWN).reverse().map(row))
    this.#count.textContent = wanted === '' ? `the last ${found.length}` : `${found.length} of ${kept.length}`
  }
}

function row({ subject, seq, size, latency, trace }: Inspected): HTMLTableRowElement {
  const made = make('tr')
  const cells = [
    subject,
    seq === undefined ? '–' : String(seq),
    String(size),
    latency === undefined ? 'replay' : `${Math.max(0, latency).toFixed(0)} ms`,
    trace?.slice(0, 16) ?? '–',
  ]
  made.append(...cells.map((text) => make('td', '', text)))
  return made
}
