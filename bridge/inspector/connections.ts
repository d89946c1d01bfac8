import { make } from '../page-kit/element.ts'
import type { Api } from './api.ts'
import { Disconnect } from './disconnect.ts'
import { makeFilter } from './filter-field.ts'
import { formatBytes, formatCount, formatDuration } from './format.ts'
import type { Connection, Connz } from './responses.ts'
import { Table } from './table.ts'
import type { View } from './view.ts'

/** Rows of one hub. More would cost the hub CPU at each refresh. */
const LIMIT = 100

interface Row extends Connection {
  readonly hub: string
  readonly now: number
}

/** Open connections, with a filter. A row opens with its subscriptions. */
export class Connections implements View {
  readonly element = make('div', 'view')
  readonly interval = 3_000
  readonly #filter = makeFilter('User, client or address', () => void this.#refreshNow())
  readonly #count = make('p', 'note')
  readonly #table: Table<Row>
  readonly #details = make('section', 'card details')
  readonly #disconnect = new Disconnect()
  #api: Api | undefined

  constructor() {
    this.#count.role = 'status'
    this.#table = new Table<Row>(
      'Open connections',
      [
        { title: 'User', cell: (row) => this.#opener(row) },
        { title: 'Client', cell: ({ name, lang, version }) => [name, lang, version].filter(Boolean).join(' ') },
        { title: 'Address', cell: ({ ip }) => ip ?? '', look: 'mono minor' },
        { title: 'Hub', cell: ({ hub }) => hub, look: 'minor' },
        { title: 'Subs', cell: ({ subscriptions }) => formatCount(subscriptions), look: 'number' },
        { title: 'Unread', cell: ({ pending_bytes }) => formatBytes(pending_bytes), look: 'number' },
        { title: 'Received', cell: ({ in_msgs }) => formatCount(in_msgs), look: 'number minor' },
        { title: 'Sent', cell: ({ out_msgs }) => formatCount(out_msgs), look: 'number minor' },
        { title: 'Age', cell: ({ now, start }) => formatDuration(now - Date.parse(start)), look: 'number' },
      ],
      ({ id }) => id,
      'No connections.',
    )
    this.#details.hidden = true
    const header = make('header', '', make('h2', '', 'Connections'), this.#filter.element)
    const list = make('section', 'card', header, this.#count, this.#table.element)
    this.element.append(this.#details, list, this.#disconnect.element)
    this.element.addEventListener('click', ({ target }) => {
      const row = target instanceof Element ? target.closest<HTMLElement>('[data-connection]') : undefined
      const id = row?.dataset.connection
      if (id !== undefined) void this.#open(id)
    })
  }

  async refresh(api: Api): Promise<void> {
    this.#api = api
    const match = this.#filter.value()
    const responses = await api.all<Connz>(`connz?limit=${LIMIT}${match && `&match=${encodeURIComponent(match)}`}`)
    const rows = responses.flatMap(({ hub, body }) =>
      body.connections.map((connection) => ({ ...connection, hub, now: Date.parse(body.now) })),
    )
    const total = responses.reduce((sum, { body }) => sum + body.total, 0)
    const shown = total > rows.length ? `The ${formatCount(rows.length)} oldest of ` : ''
    this.#count.textContent = `${shown}${formatCount(total)} ${match ? 'that match' : 'connections'}`
    this.#table.show(rows)
  }

  async #refreshNow(): Promise<void> {
    if (this.#api) await this.refresh(this.#api).catch(() => {})
  }

  #opener({ authorized_user: user, id }: Row): HTMLElement {
    const button = make('button', 'link', user ?? 'anonymous')
    button.type = 'button'
    button.dataset.connection = id
    return button
  }

  async #open(id: string): Promise<void> {
    const api = this.#api
    const responses = await api?.all<Connz>(`connz?subs=1&limit=2&match=${encodeURIComponent(id)}`).catch(() => [])
    const found = responses?.flatMap(({ hub, body }) =>
      body.connections.filter((one) => one.id === id).map((one) => ({ ...one, hub, now: Date.parse(body.now) })),
    )[0]

    this.#details.hidden = found === undefined
    if (found && api) this.#showDetails(found, api)
  }

  #showDetails(row: Row, api: Api): void {
    const { id, authorized_user: user, ip, now, last_activity, subscriptions_list: subjects = [] } = row
    const close = make('button', 'button quiet', 'Close')
    close.type = 'button'
    close.addEventListener('click', () => {
      this.#details.hidden = true
      this.element.querySelector<HTMLElement>(`[data-connection="${CSS.escape(id)}"]`)?.focus()
    })
    const title = make('h2', '', user ?? 'anonymous')
    title.tabIndex = -1
    const end = make('button', 'button', 'Disconnect')
    end.type = 'button'
    end.hidden = !api.info.admin
    end.addEventListener('click', () => this.#disconnect.ask(api, id, user ?? 'anonymous'))
    const facts = make('dl', 'facts')
    const add = (name: string, value: string) =>
      facts.append(make('div', '', make('dt', '', name), make('dd', '', value)))
    add('Connection', id)
    if (ip) add('Address', ip)
    add('Last active', `${formatDuration(now - Date.parse(last_activity))} ago`)
    add('Subscriptions', subjects.length > 0 ? subjects.join(', ') : 'none')
    this.#details.replaceChildren(make('header', '', title, end, close), facts)
    title.focus()
  }
}
