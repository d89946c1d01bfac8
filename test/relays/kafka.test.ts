import { Admin, ClientQuotaEntityTypes, ClientQuotaKeys } from '@platformatic/kafka'
import { describe, expect, it } from 'vitest'
import { into, outOf, percent } from '../../bridge/relay/index.ts'
import { kafka } from '../../bridge/relay/kafka/index.ts'
import { connect } from '../../sdk/index.ts'
import { ensureStreams } from '../../sdk/streams/index.ts'
import { eventually } from '../support/eventually.ts'
import { isSkipped } from '../support/runtimes.ts'
import { chaosContract } from './chaos-contract.ts'
import { judge } from './relay-chaos.ts'
import { countStored, readStream } from './stored.ts'
import { type Bench, events, relaySuite, statusOf } from './suite.ts'
import { startWorker, whenReady } from './worker-process.ts'

describe.skipIf(isSkipped('kafka'))('relays', () => relaySuite('kafka', ofKafka))

function ofKafka(bench: () => Bench): void {
  const params = ({ key }: { readonly key: Uint8Array | undefined }) => ({ key: percent.encode(key) })
  const numbered = (count: number) => Array.from({ length: count }, (_, n) => ({ n, key: `k.${n % 20}` }))
  const asMessages = (all: ReturnType<typeof numbered>) =>
    all.map((one) => ({ key: one.key, value: JSON.stringify(one) }))

  it('stores nothing twice after an outage that is longer than the duplicate window', async () => {
    await bench().clear()
    const { transport, foreign, server } = bench()
    const config = { name: 'ORDERS', subjects: ['orders.*'], duplicate_window: 100_000_000 }
    await transport.request('$JS.API.STREAM.UPDATE.ORDERS', new TextEncoder().encode(JSON.stringify(config)), {
      timeout: 5_000,
    })
    const { name, at } = await bench().place()
    await foreign.send(name, asMessages(numbered(2_000)))
    const relays = { outage: into(events, 'orders.{key}', { from: at, params }) }
    const first = await bench().run(relays)
    await eventually(() => statusOf(first, 'outage').relayed === 2_000)
    await first.drain()
    // As if no offset was ever committed.
    const admin = new Admin({ clientId: 'test', bootstrapBrokers: [foreign.broker.url] })
    await admin.deleteGroups({ groups: ['spanwire.outage'] })
    await admin.close()
    await new Promise((resolve) => setTimeout(resolve, 300))
    const second = await bench().run(relays)
    await foreign.send(name, [{ key: 'last', value: '{"n":2000,"key":"last"}' }])
    await eventually(() => statusOf(second, 'outage').duplicates === 2_000 && statusOf(second, 'outage').relayed === 1)
    const stored = (await readStream(server.url, 'ORDERS')).filter(({ subject }) => subject.startsWith('orders.'))
    expect(stored.length).toBe(2_001)
  })

  it('relays a topic again that was deleted and made again', async () => {
    await bench().clear()
    const { foreign, server } = bench()
    const { name, at } = await bench().place()
    const relays = { again: into(events, 'orders.{key}', { from: at, params }) }
    await foreign.send(name, asMessages(numbered(10)))
    const first = await bench().run(relays)
    await eventually(() => statusOf(first, 'again').relayed === 10)
    await first.drain()
    const admin = new Admin({ clientId: 'test', bootstrapBrokers: [foreign.broker.url] })
    await admin.deleteTopics({ topics: [name] })
    await eventually(async () => {
      await admin.createTopics({ topics: [name], partitions: 3, replicas: 1 })
      return true
    })
    await admin.close()
    await foreign.send(name, asMessages(numbered(10)))
    const second = await bench().run(relays)
    await eventually(() => statusOf(second, 'again').relayed === 10, { deadline: 20_000 })
    const stored = (await readStream(server.url, 'ORDERS')).filter(({ subject }) => subject.startsWith('orders.'))
    expect(stored.length).toBe(20)
  })

  it('a relay that was thought dead stores nothing', async () => {
    const { transport, foreign, server } = bench()
    const contract = chaosContract(0)
    await transport.request('$JS.API.STREAM.DELETE.IN', new Uint8Array(), { timeout: 5_000 })
    await ensureStreams(contract, transport)
    const sent = numbered(4_000)
    await foreign.send('in', asMessages(sent))
    const options = { nats: server.url, kind: 'kafka', broker: foreign.broker.url, delay: 1, relays: ['in'] } as const
    const late = { deadline: 60_000, interval: 100 }
    const zombie = startWorker(options)
    await whenReady(zombie)
    const read = async () => readStream(server.url, 'IN')
    const count = () => countStored(server.url, 'IN', 'in.*')
    await eventually(async () => (await count()) > 300, late)
    zombie.freeze()
    const heir = startWorker({ ...options, delay: 0 })
    await whenReady(heir)
    await eventually(async () => (await count()) >= 4_000, { ...late, what: 'the heir to have stored all' })
    zombie.thaw()
    // The batch that it held is sent now. More messages follow it.
    const later = Array.from({ length: 500 }, (_, n) => ({ n: 4_000 + n, key: `k.${n % 20}` }))
    await foreign.send('in', asMessages(later))
    await eventually(async () => (await count()) >= 4_500, { ...late, what: 'the later messages' })
    sent.push(...later)
    await Promise.all([zombie.stop(), heir.stop()])
    const all = await read()
    const stored = all.filter(({ subject }) => subject.startsWith('in.'))
    expect(
      judge(
        sent,
        stored.map(({ text }) => JSON.parse(text)),
      ),
    ).toEqual({ lost: 0, repeated: 0, inversions: 0 })
    // Each checkpoint of a partition is further than the one before.
    const last = new Map<string, number>()
    for (const { subject, text } of all.filter(({ subject }) => subject.startsWith('$SPANWIRE'))) {
      const { position } = JSON.parse(text) as { position: number }
      expect(position).toBeGreaterThan(last.get(subject) ?? -1)
      last.set(subject, position)
    }
  }, 120_000)

  it('waits while a quota delays its requests, reports it, and loses nothing', async () => {
    // Kafka has no full queue: it stops at a full disk. A quota is its way to make a producer wait.
    await bench().clear()
    const { foreign, transport } = bench()
    const admin = new Admin({ clientId: 'test', bootstrapBrokers: [foreign.broker.url] })
    const entities = [{ entityType: ClientQuotaEntityTypes.CLIENT_ID, entityName: 'delayed' }]
    const ops = [{ key: ClientQuotaKeys.PRODUCER_BYTE_RATE, value: 500, remove: false as const }]
    await admin.alterClientQuotas({ entries: [{ entities, ops }] })
    await admin.close()
    const { name } = await bench().place()
    const to = kafka({ brokers: foreign.broker.url, clientId: 'delayed' }).topic(name)
    const running = await bench().run({ orders: outOf(events, 'orders.{key}', { to, key: (e) => e.params.key }) })
    const bus = connect({ transport, events })
    // 7,000 bytes are 700 a second in the 10 s that a quota looks back. The next request waits about 4 s.
    const large = { n: 0, key: 'k', text: 'x'.repeat(7_000) }
    await bus.publish('orders.{key}', { key: 'k' }, large)
    for (let n = 1; n < 3; n++) await bus.publish('orders.{key}', { key: 'k' }, { n, key: 'k' })
    await eventually(() => statusOf(running, 'orders').problem?.includes('no confirmation'))
    expect(statusOf(running, 'orders').state).toBe('waiting')
    await eventually(() => statusOf(running, 'orders').relayed === 3, { deadline: 60_000 })
    const received = (await foreign.receiveAll(name)).map(({ value }) => JSON.parse(value ?? '').n)
    expect(received).toEqual([0, 1, 2])
  }, 90_000)

  it('carries tombstones in both directions, as declared', async () => {
    await bench().clear()
    const { foreign, transport } = bench()
    const [from, to] = [await bench().place(), await bench().place()]
    await foreign.send(from.name, [{ key: 'gone', value: null }])
    const running = await bench().run({
      in: into(events, 'orders.{key}', { from: from.at, params, tombstone: () => ({ n: -1, key: 'gone' }) }),
      out: outOf(events, 'orders.{key}', { to: to.at, key: (e) => e.params.key, tombstone: (e) => e.data.n < 0 }),
    })
    await connect({ transport, events }).publish('orders.{key}', { key: 'kept' }, { n: 1, key: 'kept' })
    await eventually(() => statusOf(running, 'out').relayed === 2)
    const received = await foreign.receiveAll(to.name)
    expect(Object.fromEntries(received.map(({ key, value }) => [key, value]))).toEqual({
      gone: null,
      kept: '{"n":1,"key":"kept"}',
    })
  })

  it('works with message ids where the stream stores no batches', async () => {
    await bench().clear()
    const { foreign, server } = bench()
    const { name, at } = await bench().place()
    const sent = numbered(500)
    await foreign.send(name, asMessages(sent))
    const running = await bench().run({ ids: into(events, 'orders.{key}', { from: at, params, store: 'ids' }) })
    await eventually(() => statusOf(running, 'ids').relayed === 500)
    const stored = (await readStream(server.url, 'ORDERS')).filter(({ subject }) => subject.startsWith('orders.'))
    expect(
      judge(
        sent,
        stored.map(({ text }) => JSON.parse(text)),
      ),
    ).toEqual({ lost: 0, repeated: 0, inversions: 0 })
    expect(statusOf(running, 'ids').guarantee).toContain('message ids')
  })
}
