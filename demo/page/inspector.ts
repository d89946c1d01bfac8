import { element } from './element.ts'
import { detailRow, type Inspected, InspectorRow } from './inspector-row.ts'

/** Number of events that are kept. */
const MOST = 200
/** Number of rows that are shown. */
const SHOWN = 40
const REFRESH = 250

/** The newest events that match the search text of the visitor. */
export class Inspector {
  readonly #tail = element('tail')
  readonly #find = element<HTMLInputElement>('find')
  readonly #pause = element<HTMLButtonElement>('pause')
  readonly #count = element('inspected')
  readonly #rows = Array.from({ length: SHOWN }, () => new InspectorRow((row) => this.#toggle(row)))
  readonly #kept: Inspected[] = []
  #isPaused = false
  #isStale = true
  #open: InspectorRow | undefined
  #detail: HTMLElement | undefined

  constructor() {
    element('events').append(...this.#rows.map(({ row }) => row))
    this.#find.addEventListener('input', () => {
      this.#close()
      this.#refresh()
    })
    this.#pause.addEventListener('click', () => {
      this.#isPaused = !this.#isPaused
      this.#pause.textContent = this.#isPaused ? 'Resume' : 'Pause'
      if (!this.#isPaused) this.#close()
      this.#refresh()
    })
    setInterval(() => this.#tick(), REFRESH)
  }

  add(event: Inspected): void {
    if (this.#isPaused) return
    this.#kept.push(event)
    if (this.#kept.length > 2 * MOST) this.#kept.splice(0, this.#kept.length - MOST)
    this.#isStale = true
  }

  /** Rows do not move under a pointer or the focus, and not while one of them is open. */
  #tick(): void {
    if (this.#isPaused) return
    const isTouched = this.#tail.matches(':hover, :focus-within')
    if (this.#open || isTouched) this.#count.textContent = this.#open ? 'held by the open row' : 'held'
    else if (this.#isStale) this.#refresh()
  }

  #refresh(): void {
    this.#isStale = false
    const wanted = this.#find.value.trim().toLowerCase()
    const kept = this.#kept.slice(-MOST)
    const found = kept.filter(({ subject, trace = '' }) => `${subject} ${trace}`.toLowerCase().includes(wanted))
    const newest = found.slice(-SHOWN).reverse()
    for (const [i, row] of this.#rows.entries()) row.show(newest[i])
    this.#count.textContent = wanted === '' ? `the last ${found.length}` : `${found.length} of ${kept.length}`
  }

  #toggle(row: InspectorRow): void {
    const wasOpen = this.#open === row
    this.#close()
    if (wasOpen || !row.event) return
    this.#open = row
    this.#detail = detailRow(row.event)
    row.row.after(this.#detail)
    row.row.classList.add('open')
    row.button.setAttribute('aria-expanded', 'true')
  }

  #close(): void {
    this.#detail?.remove()
    this.#open?.row.classList.remove('open')
    this.#open?.button.setAttribute('aria-expanded', 'false')
    this.#open = undefined
    this.#detail = undefined
  }
}
