/** Clients of the SDK in a separate process. It gets a {@link CrowdOrder} and then {@link CrowdRequest}s over IPC. */
import process from 'node:process'
import { type Bus, connect, type Presence, webSocket } from '../../sdk/index.ts'
import { clusterEvents, ROOM_SIZE, USERS } from './cluster-contract.ts'
import type { CrowdOrder, CrowdRequest, CrowdResult, CrowdState, CrowdWindow, Faults } from './crowd.ts'
import { Tally } from './tally.ts'

/** Clients that connect at the same time. */
const AT_ONCE = 25

let urls: readonly string[] = []
const stored = new Map<number, number>()
let conflicts = 0
let gaps = 0
const errors: Record<string, number> = {}
const report = (error: unknown) => {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  errors[text] = (errors[text] ?? 0) + 1
}

class Client {
  readonly id: number
  readonly bus: Bus<typeof clusterEvents>
  readonly streamed = new Tally(1)
  readonly live = new Tally()
  presence: Presence | undefined
  bridge = ''
  /** Time of the last streamed event, and the longest time without one since a measurement began, in ms. */
  lastAt = performance.now()
  stall = 0
  isAffected = false

  constructor(id: number, token: string) {
    this.id = id
    const transport = webSocket({
      url: urls[0] ?? '',
      // A function, so that a client with valid credentials returns after its connection was revoked.
      token: () => token,
      via: 'websocket',
      backoff: { first: 100, longest: 2_000 },
      pingInterval: 5_000,
      openSocket: () => {
        this.bridge = urls[Math.floor(Math.random() * urls.length)] ?? 'http://127.0.0.1:9'
        return new WebSocket(`${this.bridge.replace('http', 'ws')}/nats`)
      },
    })
    this.bus = connect({ transport, events: clusterEvents, onGap: () => gaps++, onError: report })
  }

  async start(isMember: boolean): Promise<void> {
    const streamed = this.bus.on('chaos.{id}', ({ seq = 0, data: { n } }) => this.#take(seq, n), {
      from: 'all',
      onEnd: report,
    })
    const live = this.bus.on('live.{id}', ({ data: { n } }) => this.live.take(n), { onEnd: report })
    await Promise.all([streamed.ready, live.ready])
    if (!isMember) return
    this.presence = await this.bus.presence(`lobby.${Math.floor(this.id / ROOM_SIZE)}`, { onEnd: report })
    await this.presence.join({ client: this.id })
  }

  /** Numbers of the clients that it sees, in the order of the members. */
  get seen(): number[] {
    return [...(this.presence?.members.values() ?? [])].map(({ state }) => (state as { client: number }).client)
  }

  begin(isAffected: boolean): void {
    this.isAffected = isAffected
    this.stall = 0
  }

  get longestStall(): number {
    return Math.max(this.stall, performance.now() - this.lastAt)
  }

  #take(seq: number, n: number): void {
    const now = performance.now()
    this.stall = Math.max(this.stall, now - this.lastAt)
    this.lastAt = now
    this.streamed.take(seq)
    const known = stored.get(seq)
    if (known === undefined) stored.set(seq, n)
    else if (known !== n) conflicts++
  }
}

const clients: Client[] = []
let roomSize = (_room: number) => 0

function state(): CrowdState {
  const members = clients.filter(({ presence }) => presence)
  const views = members.map(({ id, seen }) => {
    const room = Math.floor(id / ROOM_SIZE)
    const missing = roomSize(room) - new Set(seen).size
    return { isComplete: missing === 0, isExact: missing === 0 && seen.length === roomSize(room) }
  })
  return {
    clients: clients.length,
    open: clients.filter(({ bus }) => bus.status.current.state === 'open').length,
    seq: Math.min(...clients.map(({ streamed }) => streamed.last)),
    complete: views.filter(({ isComplete }) => isComplete).length,
    exact: views.filter(({ isExact }) => isExact).length,
    members: members.length,
  }
}

const sumOf = (kind: 'streamed' | 'live'): Faults => ({
  lost: clients.reduce((sum, client) => sum + client[kind].lost, 0),
  doubled: clients.reduce((sum, client) => sum + client[kind].doubled, 0),
  disordered: clients.reduce((sum, client) => sum + client[kind].disordered, 0),
})
const difference = (now: Faults, before: Faults): Faults => ({
  lost: now.lost - before.lost,
  doubled: now.doubled - before.doubled,
  disordered: now.disordered - before.disordered,
})
let before = { live: sumOf('live'), streamed: sumOf('streamed') }

function begin(victims?: readonly string[]): void {
  before = { live: sumOf('live'), streamed: sumOf('streamed') }
  for (const client of clients) client.begin(!victims || victims.includes(client.bridge))
}

function end(): CrowdWindow {
  const stalls = (affected: boolean) =>
    clients.filter(({ isAffected }) => isAffected === affected).map(({ longestStall }) => Math.round(longestStall))
  return {
    affected: stalls(true),
    others: stalls(false),
    live: difference(sumOf('live'), before.live),
    streamed: difference(sumOf('streamed'), before.streamed),
  }
}

function finish(): CrowdResult {
  return {
    streamed: sumOf('streamed'),
    received: clients.reduce((sum, { streamed }) => sum + streamed.received, 0),
    stored: [...stored],
    conflicts,
    gaps,
    errors,
  }
}

async function start(order: CrowdOrder): Promise<void> {
  urls = order.urls
  roomSize = (room) => Math.min(ROOM_SIZE, order.members - room * ROOM_SIZE)
  for (let from = order.from; from < order.to; from += AT_ONCE)
    await Promise.all(
      Array.from({ length: Math.min(AT_ONCE, order.to - from) }, (_, i) => {
        const client = new Client(from + i, order.tokens[(from + i) % USERS] ?? '')
        clients.push(client)
        return client.start(client.id < order.members)
      }),
    )
}

process.once('message', async (order: CrowdOrder) => {
  process.on('message', (request: CrowdRequest) => {
    if (request.do === 'bridges') urls = request.urls
    else if (request.do === 'begin') begin(request.victims)
    else if (request.do === 'state') process.send?.(state())
    else if (request.do === 'end') process.send?.(end())
    else process.send?.(finish())
  })
  await start(order)
  process.send?.('ready')
})
process.once('disconnect', () => process.exit())
