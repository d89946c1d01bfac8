import { make } from '../page-kit/element.ts'
import type { Api, FromHub } from './api.ts'
import { Chart } from './charts.ts'
import { formatBytes, formatCount, formatDuration, formatRate } from './format.ts'
import { computeRates } from './rates.ts'
import type { Ratez, Varz } from './responses.ts'
import { Table } from './table.ts'
import type { View } from './view.ts'

/** Traffic and state of all hubs. */
export class Overview implements View {
  readonly element = make('div', 'view')
  readonly interval = 2_000
  readonly #tiles = make('dl', 'tiles')
  readonly #messages = new Chart(
    'Messages per second',
    [
      { label: 'Received', color: '--brand' },
      { label: 'Sent', color: '--late' },
    ],
    formatRate,
  )
  readonly #bytes = new Chart(
    'Bytes per second',
    [
      { label: 'Received', color: '--brand' },
      { label: 'Sent', color: '--late' },
    ],
    formatBytes,
  )
  readonly #connections = new Chart('Connections', [{ label: 'Open', color: '--brand' }], formatRate)
  readonly #hubs = new Table<FromHub<Varz>>(
    'Hubs',
    [
      { title: 'Hub', cell: ({ hub, body }) => hub || body.server_id.slice(0, 8), look: 'mono' },
      { title: 'Upstream', cell: ({ body }) => (body.edge.draining ? 'draining' : body.edge.upstream) },
      { title: 'Broker', cell: ({ body }) => body.edge.broker },
      { title: 'Connections', cell: ({ body }) => formatCount(body.connections), look: 'number' },
      { title: 'Subjects', cell: ({ body }) => formatCount(body.edge.upstream_subscriptions), look: 'number minor' },
      { title: 'Replays', cell: ({ body }) => formatCount(body.edge.replays), look: 'number minor' },
      {
        title: 'Up',
        cell: ({ body }) => formatDuration(Date.parse(body.now) - Date.parse(body.start)),
        look: 'number',
      },
    ],
    ({ hub }) => hub,
    'No hub has clients.',
  )

  constructor() {
    const charts = make('div', 'charts', this.#messages.element, this.#bytes.element, this.#connections.element)
    const hubs = make('section', 'card', make('h2', '', 'Hubs'), this.#hubs.element)
    this.element.append(make('h2', 'visually-hidden', 'Overview'), this.#tiles, charts, hubs)
  }

  async refresh(api: Api): Promise<void> {
    const [varz, ratez] = await Promise.all([api.all<Varz>('varz'), api.all<Ratez>('ratez')])
    const sum = (read: (varz: Varz) => number) => varz.reduce((total, { body }) => total + read(body), 0)
    const rates = computeRates(ratez)
    const isOpen = varz.length > 0 && varz.every(({ body }) => body.edge.upstream === 'open')
    const closed = sum(({ edge }) => Object.values(edge.closed).reduce((total, count) => total + count, 0))
    this.#showTiles([
      ['Connections', formatCount(sum(({ connections }) => connections))],
      ['Subscriptions', formatCount(sum(({ subscriptions }) => subscriptions))],
      ['Received per s', formatRate(rates.inMessages.at(-1) ?? 0)],
      ['Sent per s', formatRate(rates.outMessages.at(-1) ?? 0)],
      ['Closed by the bridge', formatCount(closed)],
      ['Slow consumers', formatCount(sum(({ slow_consumers }) => slow_consumers))],
      ['Upstream', varz.length === 0 ? 'asleep' : isOpen ? 'open' : 'reconnecting'],
    ])
    const now = Date.parse(ratez[0]?.body.now ?? '') / 1_000 || Date.now() / 1_000
    this.#messages.show(now, rates.times, [rates.inMessages, rates.outMessages])
    this.#bytes.show(now, rates.times, [rates.inBytes, rates.outBytes])
    this.#connections.show(now, rates.times, [rates.connections])
    this.#hubs.show(varz)
  }

  #showTiles(tiles: ReadonlyArray<readonly [string, string]>): void {
    for (const [index, [title, value]] of tiles.entries()) {
      const tile = this.#tiles.children[index] ?? this.#tiles.appendChild(make('div', 'card', make('dt'), make('dd')))
      const [dt, dd] = [tile.children[0], tile.children[1]]
      if (dt && dt.textContent !== title) dt.textContent = title
      if (dd && dd.textContent !== value) dd.textContent = value
    }
  }
}
