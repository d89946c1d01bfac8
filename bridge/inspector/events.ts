import { make } from '../page-kit/element.ts'
import type { Api } from './api.ts'
import { formatCount, formatTime } from './format.ts'
import type { Logz, Varz } from './responses.ts'
import { Table } from './table.ts'
import type { View } from './view.ts'

/** Rows that are shown. */
const MAX_ROWS = 200

type Row = Logz['events'][number] & { readonly hub: string }

/** Kinds of events, by the code of the events that they show. */
const KINDS: Readonly<Record<string, RegExp>> = {
  'All events': /./,
  'Refused credentials and requests': /-refused$/,
  'Closed clients': /^client-closed$/,
  'Traced clients': /^client-traced$/,
  'Limits that were reached': /^limit-reached$/,
}

/** Recent events of the bridge: refused credentials, closed clients with their reasons, changes of the upstream. */
export class Events implements View {
  readonly element = make('div', 'view')
  readonly interval = 2_000
  readonly #kind = make('select')
  readonly #counts = make('ul', 'counts')
  readonly #table = new Table<Row>(
    'Events',
    [
      { title: 'Time', cell: ({ time }) => formatTime(time), look: 'mono' },
      { title: 'Level', cell: ({ level }) => make('span', `level ${level}`, level) },
      { title: 'Event', cell: ({ code }) => code, look: 'mono minor' },
      {
        title: 'Message',
        cell: sentenceOf,
        look: 'wide',
      },
      { title: 'User', cell: ({ fields }) => String(fields.user ?? fields.path ?? fields.connection ?? '') },
      { title: 'Client', cell: ({ fields }) => String(fields.client ?? fields.origin ?? ''), look: 'minor' },
      { title: 'Address', cell: ({ fields }) => String(fields.address ?? ''), look: 'mono minor' },
      { title: 'Hub', cell: ({ hub }) => hub, look: 'minor' },
    ],
    ({ hub, seq }) => `${hub} ${seq}`,
    'No events.',
  )
  #rows: readonly Row[] = []

  constructor() {
    this.#kind.append(...Object.keys(KINDS).map((kind) => make('option', '', kind)))
    this.#kind.addEventListener('change', () => this.#show())
    const header = make('header', '', make('h2', '', 'Events'), make('label', 'filter', 'Show ', this.#kind))
    this.element.append(make('section', 'card', header, this.#counts, this.#table.element))
  }

  async refresh(api: Api): Promise<void> {
    const [logz, varz] = await Promise.all([api.all<Logz>('logz'), api.all<Varz>('varz')])
    const counts = new Map<string, number>()
    const add = (name: string, count: number) => counts.set(name, (counts.get(name) ?? 0) + count)
    for (const { body } of varz)
      for (const [reason, count] of Object.entries(body.edge.closed)) add(`Closed: ${reason}`, count)
    for (const { body } of logz)
      for (const [what, count] of Object.entries(body.refused)) add(`Refused: ${what.split(' ')[1]}`, count)
    const chips = [...counts].sort(([a], [b]) => a.localeCompare(b))
    this.#counts.replaceChildren(
      ...chips.map(([name, count]) => make('li', '', `${name} `, make('b', '', formatCount(count)))),
    )
    this.#rows = logz
      .flatMap(({ hub, body }) => body.events.map((event) => ({ ...event, hub })))
      .sort((a, b) => b.time - a.time || b.seq - a.seq)
    this.#show()
  }

  #show(): void {
    const kind = KINDS[this.#kind.value] ?? /./
    this.#table.show(this.#rows.filter(({ code }) => kind.test(code)).slice(0, MAX_ROWS))
  }
}

/** The message, with the reason unless it states it. */
function sentenceOf({ message, fields }: Row): string {
  const { reason } = fields
  return reason === undefined || message.includes(String(reason)) ? message : `${message} ${reason}`
}
