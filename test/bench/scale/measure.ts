/**
 * Measures the inputs of the simulation on this machine: `node test/bench/scale/measure.ts`. The results belong into
 * `costs.ts`. CPU time comes from the operating system, so that load of other processes has little effect.
 */
import { eventually } from '../../support/eventually.ts'
import { startNatsCluster } from '../../support/nats-cluster.ts'
import { startNatsServer } from '../../support/nats-server.ts'
import { startHost } from '../../support/process-host.ts'
import { startWorkerd } from '../../support/workerd-process.ts'
import { cpuOf, memoryOf } from '../process-figures.ts'
import { encodeFrame } from '../raw-socket.ts'
import { gossip } from './measure-gossip.ts'
import { auth, costOf, type Note, openClient } from './measuring.ts'
import { publication, RawNats } from './raw-nats.ts'

const results: Record<string, string> = {}
const note: Note = (name, value, unit) => {
  results[name] = `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ${unit}`
  console.log(`${name}: ${results[name]}`)
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
  if (!only || only === name) await run(note)
}
console.table(results)
process.exit(0)
