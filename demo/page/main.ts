import { placeName } from './airports.ts'
import { Board } from './board.ts'
import { Chat } from './chat.ts'
import { CodePanel } from './code-panel.ts'
import { startCopyButtons } from './copy-button.ts'
import { element } from './element.ts'
import { Figures } from './figures.ts'
import { FiguresPanel } from './figures-panel.ts'
import { ANY, type Filter, FilterBar } from './filter.ts'
import { FlightMap } from './flight-map.ts'
import { Inspector } from './inspector.ts'
import { Live } from './live.ts'
import { LookBack } from './look-back.ts'
import { startPointer } from './map-pointer.ts'
import { Network } from './network.ts'
import { Outage } from './outage.ts'
import { People } from './people.ts'
import { Ranking } from './ranking.ts'
import { StatusBadge } from './status.ts'
import { startTabs } from './tabs.ts'
import { startTheme } from './theme.ts'
import { Ways } from './ways.ts'

/** A flight is late after this number of minutes, as the Bureau of Transportation Statistics defines it. */
const LATE = 15
const FIGURES_INTERVAL = 500
const RANKING_INTERVAL = 1_000

const clock = element<HTMLTimeElement>('clock')
const date = new Intl.DateTimeFormat('en-GB', {
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  timeZone: 'UTC',
})

const map = new FlightMap()
const figures = new Figures(Date.now())
const panel = new FiguresPanel()
const board = new Board()
const ways = new Ways()
const badge = new StatusBadge()
const filterBar = new FilterBar(filtered)
const ranking = new Ranking((filter) => filterBar.set(filter))
const code = new CodePanel(location.origin)
const people = new People()
const chat = new Chat(
  (name, text) => live.say(name, text),
  (name, text) => {
    code.typed(name, text)
    people.named(name.trim())
    if (text !== '') people.typing()
  },
)
const inspector = new Inspector()
const lookBack = new LookBack((back) => {
  restart()
  live.watch(filterBar.filter, back)
})
const network = new Network()
const outage = new Outage((isOn) => network.switch(isOn))
const live = new Live(location.origin, network.open, {
  status(status) {
    badge.show(status, !outage.isOn)
    outage.status(status)
    if (status.state !== 'open') figures.settle()
  },
  message: (message) => chat.add(message),
  inspected: (event) => inspector.add(event),
  lost: (flights) => outage.log.lost(flights),
  departure({ origin, destination, departedAt, delay, via, time, delivery }) {
    const now = Date.now()
    const late = delay > LATE
    const isFill = delivery === 'fill'
    if (isFill) figures.fill()
    else figures.add(delivery === 'live' ? now - time : undefined, now)
    if (delivery === 'replay') lookBack.replaying(time, now)
    else lookBack.live()
    if (delivery === 'late') outage.log.late()
    ways.add(via)
    ranking.add(origin, destination)
    map.depart({ origin, destination, late, age: isFill ? Math.max(0, now - time) : 0 })
    board.add({ origin, destination, departedAt, delay, late, via }, now, isFill)
    clock.dateTime = departedAt
    clock.textContent = date.format(Date.parse(`${departedAt}Z`))
  },
})
live.watch(filterBar.filter)
// Flights are shown even if these fail.
live.meet(people).catch(() => {})
outage.offerKill().catch(() => {})

startTabs()
startCopyButtons()
startTheme(() => map.recolour())
startPointer(map, (airport) => {
  const chosen = filterBar.filter.origin === airport.code
  filterBar.set({ ...filterBar.filter, origin: chosen ? ANY : airport.code })
})
setInterval(() => panel.show(figures, Date.now()), FIGURES_INTERVAL)
setInterval(() => ranking.show(), RANKING_INTERVAL)

function filtered(filter: Filter): void {
  restart()
  map.filtered(filter)
  ranking.filtered(filter)
  code.filtered(filter)
  live.watch(filter)
  element('flights').setAttribute('aria-label', describe(filter))
}

function restart(): void {
  figures.restart()
  board.clear()
}

function describe({ origin, destination }: Filter): string {
  const from = origin === ANY ? '' : ` from ${placeName(origin)}`
  const to = destination === ANY ? '' : ` to ${placeName(destination)}`
  return `Map of the United States with flights${from}${to} as they depart`
}
