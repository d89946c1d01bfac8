import { element, make } from '../../page-kit/element.ts'

/** Rows that are kept. */
const MOST = 300

/** One row. */
export interface LogRow {
  readonly time: number
  readonly subject: string
  readonly data: string
  readonly seq?: number | undefined
  /** Why the contract refuses it. */
  readonly invalid?: string
}

/** Received events, the newest first. */
export class EventLog {
  readonly #rows = element<HTMLOListElement>('rows')
  readonly #empty = element('empty')

  constructor() {
    element('clear').addEventListener('click', () => {
      this.#rows.replaceChildren()
      this.#empty.hidden = false
    })
  }

  add({ time, subject, data, seq, invalid }: LogRow): void {
    this.#empty.hidden = true
    const at = make(
      'time',
      '',
      new Date(time).toLocaleTimeString([], { hour12: false }),
      `.${String(time % 1000).padStart(3, '0')}`,
    )
    const row = make(
      'li',
      '',
      at,
      make('span', 'subject', subject),
      make('span', 'data', data),
      make('span', 'seq', seq === undefined ? '' : `#${seq}`),
    )
    if (invalid) row.append(make('span', 'invalid', invalid))
    this.#rows.prepend(row)
    while (this.#rows.children.length > MOST) this.#rows.lastElementChild?.remove()
  }
}
