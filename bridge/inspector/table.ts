import { make } from '../page-kit/element.ts'

/** A column of a table. */
export interface Column<Row> {
  readonly title: string
  /** The content of a cell. Text is never read as HTML. */
  readonly cell: (row: Row) => string | Node
  /** `number`: aligned right. `minor`: left out on a phone. `mono`: subjects and ids. */
  readonly look?: string
}

/** A table whose rows stay the same elements while their data changes, so that focus and selection stay. */
export class Table<Row> {
  readonly element: HTMLElement
  readonly #columns: ReadonlyArray<Column<Row>>
  readonly #keyOf: (row: Row) => string
  readonly #body = make('tbody')
  readonly #empty: HTMLElement
  readonly #rows = new Map<string, HTMLTableRowElement>()

  /** @param empty text while there are no rows */
  constructor(label: string, columns: ReadonlyArray<Column<Row>>, keyOf: (row: Row) => string, empty: string) {
    this.#columns = columns
    this.#keyOf = keyOf
    this.#empty = make('p', 'empty', empty)
    const titles = columns.map(({ title, look = '' }) => {
      const cell = make('th', look, title)
      cell.scope = 'col'
      return cell
    })
    const table = make('table', '', make('thead', '', make('tr', '', ...titles)), this.#body)
    // It scrolls, so the keyboard must reach it.
    this.element = make('div', 'scroll', table, this.#empty)
    this.element.tabIndex = 0
    this.element.role = 'region'
    this.element.ariaLabel = label
  }

  show(rows: readonly Row[]): void {
    const keys = new Set(rows.map(this.#keyOf))
    // First: an element that moves loses its focus, and the rows that stay need not move.
    for (const [key, element] of this.#rows) {
      if (keys.has(key)) continue
      element.remove()
      this.#rows.delete(key)
    }
    let before: Element | null = this.#body.firstElementChild
    for (const row of rows) {
      const key = this.#keyOf(row)
      const element = this.#rows.get(key) ?? this.#create(key)
      this.#fill(element, row)
      if (element === before) before = element.nextElementSibling
      else this.#body.insertBefore(element, before)
    }
    this.#empty.hidden = rows.length > 0
  }

  #create(key: string): HTMLTableRowElement {
    const row = make('tr', '', ...this.#columns.map(({ look = '' }) => make('td', look)))
    this.#rows.set(key, row)
    return row
  }

  #fill(element: HTMLTableRowElement, row: Row): void {
    for (const [index, { cell }] of this.#columns.entries()) {
      const target = element.cells[index]
      if (!target) continue
      const content = cell(row)
      if (typeof content === 'string') {
        if (target.textContent !== content) target.textContent = content
      } else if (target.firstChild === null || !target.firstChild.isEqualNode(content)) target.replaceChildren(content)
    }
  }
}
