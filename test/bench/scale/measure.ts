/**
 * Measures the inputs of the simulation on this machine: `node test/bench/scale/measure.ts`. The results belong into
 * `costs.ts`. CPU time comes from the operating system, so that load of other processes has little effect.
 */
import { connect as openTcp, type Socket } from 'node:net'
import { eventually } from '../../support/eventually.ts'
import { startNatsCluster } from '../../support/nats-cluster.ts'
import { startNatsServer } from '../../support/nats-server.ts'
import { startHost } from '../../support/process-host.ts'
import { rootToken, SECRET } from '../../support/token.ts'
import { startWorkerd } from '../../support/workerd-process.ts'
import { cpuOf, memoryOf } from '../process-figures.ts'
import { encodeFrame, openRawSocket } from '../raw-socket.ts'

const results: Record<string, string> = {}
const note = (name: string, value: number, unit: string) => {
  results[name] = `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ${unit}`
  console.log(`${name}: ${results[name]}`)
}

/** A NATS client of a few bytes, because only servers are measured. */
class RawNats {
  readonly #socket: Socket
  received = 0
  bytes = 0
  #pongs = 0

  private constructor(socket: Socket) {
    this.#socket = socket
  }

  static async open(url: string): Promise<RawNats> {
    const { hostname, port } = new URL(url)
    const socket = openTcp(Number(port), hostname)
    const client = new RawNats(socket)
    socket.on('data', (chunk: Buffer) => {
      client.bytes += chunk.length
      if (chunk.includes('PING\r\n')) socket.write('PONG\r\n')
      if (chunk.includes('PONG\r\n')) client.#pongs++
      for (let at = chunk.indexOf('MSG '); at >= 0; at = chunk.indexOf('MSG ', at + 4)) client.received++
    })
    await new Promise((resolve) => socket.once('connect', resolve))
    socket.write('CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n')
    return client
  }

  send(text: string): void {
    this.#socket.write(text)
  }

  async flush(): Promise<void> {
    const before = this.#pongs
    this.send('PING\r\n')
    await eventually(() => this.#pongs > before, { deadline: 60_000 })
  }

  close(): void {
    this.#socket.destroy()
  }
}

const publication = (subject: string, payload: string) =>
  `PUB ${subject} ${Buffer.byteLength(payload)}\r\n${payload}\r\n`

/** A client of a bridge, with counters. */
async function openClient(url: string, ops: string, isAnonymous = false) {
  const state = { messages: 0, bytes: 0, pongs: 0 }
  const socket = await openRawSocket(`${url.replace('http', 'ws')}/nats`, (chunk) => {
    state.bytes += chunk.length
    for (let at = chunk.indexOf('MSG '); at >= 0; at = chunk.indexOf('MSG ', at + 4)) state.messages++
    if (chunk.includes('PONG\r\n')) {
      state.pongs++
      ready.resolve()
    }
    if (chunk.includes('PING\r\n')) socket.write(encodeFrame('PONG\r\n', true))
  })
  const ready = Promise.withResolvers<void>()
  socket.on('error', () => {})
  const credentials = isAnonymous ? {} : { auth_token: await token }
  const options = JSON.stringify({ verbose: false, headers: true, ...credentials })
  socket.write(encodeFrame(`CONNECT ${options}\r\n${ops}PING\r\n`, true))
  await ready.promise
  return { state, socket }
}

const token = rootToken()
const auth = { secret: SECRET }

/** CPU of `run`, in µs per unit. */
async function costOf(pids: readonly number[], units: number, run: () => Promise<void>): Promise<number> {
  const before = cpuOf(pids)
  await run()
  return (cpuOf(pids) - before) / units
}

async function connecting(): Promise<void> {
  await using nats = await startNatsServer()
  const host = await startHost('node', { upstream: nats.url, auth, limits: { maxConnectionsPerUser: 20_000 } })
  const open = async (from: number, to: number) => {
    for (let i = from; i < to; i += 50)
      await Promise.all(Array.from({ length: 50 }, (_, j) => openClient(host.url, `SUB own.${i + j} 1\r\n`)))
  }
  await open(0, 2_000)
  const memory = memoryOf([host.pid])
  const natsBefore = cpuOf([nats.pid])
  note('connect, bridge', await costOf([host.pid], 4_000, () => open(2_000, 6_000)), 'µs')
  note('connect, nats-server', (cpuOf([nats.pid]) - natsBefore) / 4_000, 'µs')
  note('idle connection with its subject, bridge', (memoryOf([host.pid]) - memory) / 4_000 / 1_024, 'KiB')
  await host.stop()
}

async function connectingToObject(): Promise<void> {
  await using nats = await startNatsServer()
  const main = 'test/bench/peers/spanwire-worker.ts'
  const vars = { UPSTREAM_URL: nats.url }
  await using workerd = await startWorkerd({ main, className: 'SpanwireHub', binding: 'HUB', vars })
  const open = async (from: number, to: number) => {
    for (let i = from; i < to; i += 50)
      await Promise.all(Array.from({ length: 50 }, (_, j) => openClient(workerd.url, `SUB own.${i + j} 1\r\n`, true)))
  }
  await open(0, 1_000)
  note('connect, hub and Worker in workerd', await costOf([workerd.pid], 3_000, () => open(1_000, 4_000)), 'µs')
}

async function receiving(): Promise<void> {
  await using nats = await startNatsServer()
  const host = await startHost('node', { upstream: nats.url, auth })
  const { state } = await openClient(host.url, 'SUB one 1\r\n')
  const publisher = await RawNats.open(nats.url)
  const payload = 'x'.repeat(200)
  const publish = async (count: number) => {
    const from = state.messages
    for (let i = 0; i < count; i += 100) {
      publisher.send(publication('one', payload).repeat(100))
      await publisher.flush()
    }
    await eventually(() => state.messages - from >= count, { deadline: 60_000 })
  }
  await publish(50_000)
  const natsBefore = cpuOf([nats.pid])
  note(
    'message from NATS to one client, in bursts of 100',
    await costOf([host.pid], 200_000, () => publish(200_000)),
    'µs',
  )
  note('the same, nats-server', (cpuOf([nats.pid]) - natsBefore) / 200_000, 'µs')
  const single = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const from = state.messages
      publisher.send(publication('one', payload))
      while (state.messages === from) await new Promise((resolve) => setImmediate(resolve))
    }
  }
  await single(2_000)
  note('the same, one at a time', await costOf([host.pid], 10_000, () => single(10_000)), 'µs')
  await host.stop()
}

/** Keep-alive and publishes of 500 clients. */
async function sending(): Promise<void> {
  await using nats = await startNatsServer()
  const host = await startHost('node', { upstream: nats.url, auth })
  const clients = await Promise.all(Array.from({ length: 500 }, (_, i) => openClient(host.url, `SUB own.${i} 1\r\n`)))
  const each = async (rounds: number, text: string) => {
    const frame = encodeFrame(text, true)
    const total = () => clients.reduce((sum, { state }) => sum + state.pongs, 0)
    for (let round = 0; round < rounds; round++) {
      const before = total()
      for (const { socket } of clients) socket.write(frame)
      await eventually(() => total() - before >= clients.length, { deadline: 60_000 })
    }
  }
  await each(20, 'PING\r\n')
  note('PING of a client, answered', await costOf([host.pid], 100 * clients.length, () => each(100, 'PING\r\n')), 'µs')
  const publish = `PUB sent 200\r\n${'x'.repeat(200)}\r\nPING\r\n`
  await each(20, publish)
  note(
    'PUB and PING of a client, answered',
    await costOf([host.pid], 100 * clients.length, () => each(100, publish)),
    'µs',
  )
  await host.stop()
}

async function copies(): Promise<void> {
  await using nats = await startNatsServer()
  const hubs = await Promise.all(Array.from({ length: 100 }, () => RawNats.open(nats.url)))
  for (const hub of hubs) hub.send('SUB > 1\r\n')
  await Promise.all(hubs.map((hub) => hub.flush()))
  const publisher = await RawNats.open(nats.url)
  const publish = async (count: number, burst: number) => {
    const from = hubs[0]?.received ?? 0
    for (let i = 0; i < count; i += burst) {
      publisher.send(publication('one', 'x'.repeat(200)).repeat(burst))
      await publisher.flush()
    }
    await eventually(() => hubs.every(({ received }) => received - from >= count), { deadline: 60_000 })
  }
  await publish(1_000, 10)
  note(
    'copy to a hub, nats-server, in bursts of 10',
    await costOf([nats.pid], 1_000_000, () => publish(10_000, 10)),
    'µs',
  )
  note('copy to a hub, nats-server, one at a time', await costOf([nats.pid], 200_000, () => publish(2_000, 1)), 'µs')
  for (const client of [...hubs, publisher]) client.close()
}

async function interest(): Promise<void> {
  await using cluster = await startNatsCluster()
  const COUNT = 400_000
  const [own, other] = cluster.nodes
  if (!own || !other) throw new Error('The cluster has no nodes.')
  const client = await RawNats.open(own.url)
  await client.flush()
  const before = [own, other].map(({ pid }) => ({ memory: memoryOf([pid]), cpu: cpuOf([pid]) }))
  for (let i = 0; i < COUNT; i += 1_000)
    client.send(Array.from({ length: 1_000 }, (_, j) => `SUB u.${i + j}.news ${i + j}\r\n`).join(''))
  await client.flush()
  const known = async () => {
    const response = await fetch(`${other.monitorUrl}/subsz`)
    return ((await response.json()) as { num_subscriptions: number }).num_subscriptions >= COUNT
  }
  await eventually(known, { deadline: 60_000 })
  const kinds = ['server of the hub', 'other server of the cluster']
  for (const [index, node] of [own, other].entries()) {
    note(`filter, ${kinds[index]}`, (memoryOf([node.pid]) - (before[index]?.memory ?? 0)) / COUNT, 'B')
    note(`subscribing, ${kinds[index]}`, (cpuOf([node.pid]) - (before[index]?.cpu ?? 0)) / COUNT, 'µs')
  }
  client.close()
}

async function gossip(): Promise<void> {
  await using nats = await startNatsServer()
  const host = await startHost('node', { upstream: nats.url, auth })
  const member = (hub: number, id: number) => ({
    id: `${String(hub).padStart(8, '0')}-0000-4000-8000-000000000000.${id}`,
    user: `user-${id}`,
    state: { name: 'A name of some length', at: id },
  })
  const others = await RawNats.open(nats.url)
  const say = (news: object) => publication('$EDGE.HUBS.PRESENCE.room', JSON.stringify(news))
  const hubOf = (i: number) => `${String(i).padStart(8, '0')}-0000-4000-8000-000000000000`
  // One member, so that the hub follows the channel, without a watcher.
  const { state } = await openClient(
    host.url,
    publication('$EDGE.PRESENCE.room', JSON.stringify({ do: 'join', state: { name: 'A name', at: 1 } })),
  )
  const through = async () => {
    await others.flush()
    // An answer of the hub shows that it has processed everything before.
    others.send('SUB $EDGE.HUBS.PRESENCE.room 1\r\n')
    await others.flush()
    const from = others.received
    others.send(say({ hub: hubOf(9_999), ask: true }))
    // The question itself, and its answer.
    await eventually(() => others.received >= from + 2, { deadline: 60_000, what: 'the answer of the hub' })
    others.send('UNSUB 1\r\n')
  }
  const HUBS = 40
  const PER_HUB = 500
  const pages = Array.from({ length: HUBS }, (_, hub) =>
    say({ hub: hubOf(hub), n: 1, part: 0, members: Array.from({ length: PER_HUB }, (_, id) => member(hub, id)) }),
  )
  note('member in JSON', (pages[0]?.length ?? 0) / PER_HUB, 'B')
  const memory = memoryOf([host.pid])
  await through()
  for (const page of pages) others.send(page)
  await through()
  note('member of another hub, in memory', (memoryOf([host.pid]) - memory) / HUBS / PER_HUB, 'B')
  const repeat = async (times: number, messages: readonly string[]) => {
    for (let i = 0; i < times; i++) {
      for (const message of messages) others.send(message)
      await others.flush()
    }
    await through()
  }
  note('member in a page, received', await costOf([host.pid], HUBS * PER_HUB * 20, () => repeat(20, pages)), 'µs')
  await repeat(
    1,
    Array.from({ length: HUBS }, (_, hub) => say({ hub: hubOf(hub), n: 1, part: 0, members: [] })),
  )
  let n = 1
  const changes = (count: number) =>
    Array.from({ length: count }, (_, i) => say({ hub: hubOf(0), n: ++n, joined: [member(0, i % 20)], left: [] }))
  await repeat(1, changes(2_000))
  const CHANGES = 20_000
  note('change of one member, received', await costOf([host.pid], CHANGES, () => repeat(1, changes(CHANGES))), 'µs')
  const asks = Array.from({ length: 10_000 }, () => say({ hub: hubOf(0), ask: true }))
  note('request for all members, answered with one', await costOf([host.pid], 10_000, () => repeat(1, asks)), 'µs')
  await Promise.all(
    Array.from({ length: 499 }, (_, i) =>
      openClient(
        host.url,
        publication(
          '$EDGE.PRESENCE.room',
          JSON.stringify({ do: 'join', state: { name: 'A name of some length', at: i } }),
        ),
      ),
    ),
  )
  note(
    'request for all members, answered with 500',
    await costOf([host.pid], 500, () => repeat(1, asks.slice(0, 500))),
    'µs',
  )
  const alive = Array.from({ length: 50_000 }, (_, i) => publication('$EDGE.HUBS.ALIVE', hubOf(i % 100)))
  note('alive message, received', await costOf([host.pid], 50_000, () => repeat(1, alive)), 'µs')
  if (state.messages > 0) throw new Error('A client without a subscription received messages.')
  others.close()
  await host.stop()
}

for (const [name, run] of Object.entries({
  connecting,
  connectingToObject,
  receiving,
  sending,
  copies,
  interest,
  gossip,
})) {
  const only = process.argv[2]
  if (!only || only === name) await run()
}
console.table(results)
process.exit(0)
