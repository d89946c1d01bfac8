import { make } from '../page-kit/element.ts'
import type { Api } from './api.ts'
import { formatCount } from './format.ts'
import type { Relayz } from './responses.ts'
import { Table } from './table.ts'
import type { View } from './view.ts'

type Relay = Readonly<Record<string, unknown>> & { readonly process: string }

const text = (value: unknown) => (typeof value === 'string' ? value : '')
const count = (value: unknown) => (typeof value === 'number' ? formatCount(value) : '')

/** Relays to and from other brokers, as their processes announce them every 5 s. */
export class Relays implements View {
  readonly element = make('div', 'view')
  readonly interval = 2_000
  readonly #table = new Table<Relay>(
    'Relays',
    [
      { title: 'Relay', cell: ({ name }) => text(name), look: 'mono' },
      { title: 'From and to', cell: endsOf, look: 'mono' },
      {
        title: 'State',
        cell: ({ state, problem }) => text(state) + (problem ? `: ${text(problem)}` : ''),
        look: 'wide',
      },
      { title: 'Relayed', cell: ({ relayed }) => count(relayed), look: 'number' },
      { title: 'Lag', cell: ({ lag }) => count(lag), look: 'number' },
      { title: 'Dead', cell: ({ dead }) => count(dead), look: 'number' },
      { title: 'Process', cell: ({ process }) => process.slice(0, 12), look: 'mono minor' },
    ],
    ({ process, name }) => `${process} ${text(name)}`,
    'No relay has announced itself yet. Each does so every 5 s.',
  )

  constructor() {
    this.element.append(make('section', 'card', make('h2', '', 'Relays'), this.#table.element))
  }

  async refresh(api: Api): Promise<void> {
    const { body } = await api.any<Relayz>('relayz')
    this.#table.show(body.processes.flatMap(({ process, relays }) => relays.map((one) => ({ ...one, process }))))
  }
}

function endsOf({ direction, place, stream }: Relay): string {
  const ends = [text(place), text(stream)]
  return (direction === 'out' ? ends.reverse() : ends).join(' → ')
}
