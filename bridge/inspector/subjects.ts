import { make } from '../page-kit/element.ts'
import type { Api } from './api.ts'
import { makeFilter } from './filter-field.ts'
import { formatCount } from './format.ts'
import type { Subsz } from './responses.ts'
import { Table } from './table.ts'
import type { View } from './view.ts'

const LIMIT = 200

interface Row {
  readonly subject: string
  readonly queue: string
  readonly clients: number
  readonly hubs: number
}

/** Subjects of clients, and their interest: one row per subscription at NATS. */
export class Subjects implements View {
  readonly element = make('div', 'view')
  readonly interval = 3_000
  readonly #filter = makeFilter('Part of a subject', () => void (this.#api && this.refresh(this.#api).catch(() => {})))
  readonly #count = make('p', 'note')
  readonly #table = new Table<Row>(
    'Subjects',
    [
      { title: 'Subject', cell: ({ subject }) => subject, look: 'mono wide' },
      { title: 'Queue group', cell: ({ queue }) => queue, look: 'mono minor' },
      { title: 'Clients', cell: ({ clients }) => formatCount(clients), look: 'number' },
      { title: 'Hubs', cell: ({ hubs }) => formatCount(hubs), look: 'number minor' },
    ],
    ({ subject, queue }) => `${subject} ${queue}`,
    'No subscriptions.',
  )
  #api: Api | undefined

  constructor() {
    this.#count.role = 'status'
    const header = make('header', '', make('h2', '', 'Subjects'), this.#filter.element)
    this.element.append(make('section', 'card', header, this.#count, this.#table.element))
  }

  async refresh(api: Api): Promise<void> {
    this.#api = api
    const match = this.#filter.value()
    const query = `subsz?subs=1&limit=${LIMIT}${match && `&match=${encodeURIComponent(match)}`}`
    const rows = new Map<string, Row>()
    let total = 0
    for (const { body } of await api.all<Subsz>(query)) {
      total += body.total
      for (const { subject, queue_name: queue = '', clients } of body.subscriptions_list) {
        const known = rows.get(`${subject} ${queue}`)
        const sum = { clients: clients + (known?.clients ?? 0), hubs: 1 + (known?.hubs ?? 0) }
        rows.set(`${subject} ${queue}`, { subject, queue, ...sum })
      }
    }
    const sorted = [...rows.values()].sort((a, b) => b.clients - a.clients || a.subject.localeCompare(b.subject))
    this.#count.textContent = `${formatCount(total)} subscriptions at NATS${total > LIMIT ? ', of which some are shown' : ''}`
    this.#table.show(sorted)
  }
}
