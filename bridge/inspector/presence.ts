import { make } from '../page-kit/element.ts'
import type { Api } from './api.ts'
import { formatCount } from './format.ts'
import type { Presencez } from './responses.ts'
import { Table } from './table.ts'
import type { View } from './view.ts'

type Channel = Presencez['channels'][number]

/** Users that are listed in a row. */
const SHOWN = 12

/** Channels with members or watchers. */
export class Presence implements View {
  readonly element = make('div', 'view')
  readonly interval = 3_000
  readonly #table = new Table<Channel>(
    'Channels',
    [
      { title: 'Channel', cell: ({ name }) => name, look: 'mono' },
      { title: 'Members', cell: ({ num_members }) => formatCount(num_members), look: 'number' },
      { title: 'Watchers', cell: ({ watchers }) => formatCount(watchers), look: 'number' },
      { title: 'Users', cell: usersOf, look: 'wide' },
    ],
    ({ name }) => name,
    'No channels with members or watchers.',
  )

  constructor() {
    this.element.append(make('section', 'card', make('h2', '', 'Presence'), this.#table.element))
  }

  async refresh(api: Api): Promise<void> {
    const channels = new Map<string, Channel>()
    for (const { body } of await api.all<Presencez>('presencez')) {
      for (const channel of body.channels) {
        // Members are those of all hubs. Watchers are those of one.
        const known = channels.get(channel.name)
        channels.set(channel.name, { ...channel, watchers: channel.watchers + (known?.watchers ?? 0) })
      }
    }
    this.#table.show([...channels.values()].sort((a, b) => b.num_members - a.num_members))
  }
}

function usersOf({ members, num_members }: Channel): string {
  const users = [...new Set(members.map(({ user }) => user || 'anonymous'))].slice(0, SHOWN)
  return users.join(', ') + (num_members > members.length || users.length === SHOWN ? ' and others' : '')
}
