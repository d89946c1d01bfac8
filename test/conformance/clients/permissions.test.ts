/** The table "Permissions by use" of bridge/README.md: each use works with exactly the permissions of its rows. */
import { readFileSync } from 'node:fs'
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { type NatsConnection, wsconnect } from '@nats-io/nats-core'
import { Objm } from '@nats-io/obj'
import { connect as dial, type NatsConnection as Root } from 'nats'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BridgeServer, serve } from '../../../bridge/hosts/node.ts'
import { matchesFilter } from '../../../sdk/wire/subject.ts'
import { sign } from '../../security/live-bridge.ts'
import { eventually } from '../../support/eventually.ts'
import { type NatsServer, startNatsServer } from '../../support/nats-server.ts'
import { SECRET } from '../../support/token.ts'

interface Row {
  readonly use: string
  readonly publish: readonly string[]
  readonly subscribe: readonly string[]
}
const page = readFileSync(new URL('../../../bridge/README.md', import.meta.url), 'utf8')
const filters = (cell = '') => [...cell.matchAll(/`([^`]+)`/g)].map(([, filter = '']) => filter)
const rows: readonly Row[] = page
  .slice(page.indexOf('## Permissions by use'))
  .split('\n## ', 1)
  .flatMap((section) => section.split('\n'))
  .filter((line) => line.startsWith('| '))
  .slice(2)
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, use = '', publish, subscribe]) => ({ use, publish: filters(publish), subscribe: filters(subscribe) }))

let server: NatsServer
let bridge: BridgeServer
let root: Root
beforeAll(async () => {
  server = await startNatsServer({ jetstream: true })
  bridge = await serve({ upstream: server.url, auth: { secret: SECRET } })
  root = await dial({ servers: server.url })
  const all = await client({ publish: ['>'], subscribe: ['>'] })
  const { streams, consumers } = await jetstreamManager(all)
  await streams.add({ name: 'S', subjects: ['orders.created'] })
  await consumers.add('S', { durable_name: 'C', ack_policy: AckPolicy.Explicit })
  await (await new Kvm(all).create('B', { allow_direct: true })).put('first', '1')
  await (await new Objm(all).create('B')).putBlob({ name: 'first' }, new Uint8Array(300_000))
  await all.close()
}, 60_000)
afterAll(async () => {
  await root?.close()
  await bridge?.close()
  await server?.[Symbol.asyncDispose]()
})

async function client({ publish, subscribe }: Omit<Row, 'use'>, more: object = {}): Promise<NatsConnection> {
  const nats = { pub: { allow: publish }, sub: { allow: subscribe }, ...more }
  const token = await sign({ sub: 'client', nats })
  return wsconnect({ servers: `ws://127.0.0.1:${bridge.port}/nats`, token, reconnect: false, timeout: 5_000 })
}

interface Use {
  /** Permissions of these rows in addition. */
  readonly with?: string
  readonly claims?: object
  run(connection: NatsConnection): Promise<void>
}
const read = async (messages: AsyncIterable<{ string(): string; ack(): void }>, count: number, acknowledge = true) => {
  const texts: string[] = []
  for await (const message of messages) {
    if (acknowledge) message.ack()
    if (texts.push(message.string()) === count) break
  }
  return texts
}

const uses: ReadonlyArray<readonly [string, Use]> = [
  [
    'request',
    {
      async run(connection) {
        root.subscribe('orders.get', { max: 1, callback: (_, message) => void message.respond('here') })
        await root.flush()
        expect((await connection.request('orders.get')).string()).toBe('here')
      },
    },
  ],
  [
    'service, with `resp`',
    {
      claims: { resp: { max: 1, ttl: 60_000_000_000 } },
      async run(connection) {
        connection.subscribe('orders.get', { callback: (_, message) => void message.respond('from the bridge') })
        await connection.flush()
        expect((await root.request('orders.get')).string()).toBe('from the bridge')
      },
    },
  ],
  [
    'publish to a stream',
    {
      run: async (connection) => {
        expect(await jetstream(connection).publish('orders.created', 'x')).toMatchObject({ stream: 'S' })
      },
    },
  ],
  [
    'pull consumer',
    {
      async run(connection) {
        await root.request('orders.created', 'pulled')
        const consumer = await jetstream(connection).consumers.get('S', 'C')
        expect(await read(await consumer.consume(), 2)).toContain('pulled')
        await connection.flush()
        const left = async () =>
          (await (await consumerInfo('S', 'C')).json<{ num_ack_pending: number }>()).num_ack_pending
        await eventually(async () => (await left()) === 0, { what: 'the acknowledgements' })
      },
    },
  ],
  [
    'ordered consumer',
    {
      async run(connection) {
        const consumer = await jetstream(connection).consumers.get('S')
        expect(await read(await consumer.consume(), 1, false)).toHaveLength(1)
        await consumer.delete()
      },
    },
  ],
  [
    'read a key-value store',
    {
      async run(connection) {
        const bucket = await new Kvm(connection).open('B', { allow_direct: true })
        expect((await bucket.get('first'))?.string()).toBe('1')
        const keys: string[] = []
        for await (const key of await bucket.keys()) keys.push(key)
        expect(keys).toContain('first')
        const watch = await bucket.watch()
        for await (const entry of watch) if (entry.key === 'first') break
        watch.stop()
        await connection.flush()
        await bucket.status()
      },
    },
  ],
  [
    'write to it',
    {
      with: 'read a key-value store',
      async run(connection) {
        const bucket = await new Kvm(connection).open('B')
        const revision = await bucket.create('second', '1')
        await bucket.update('second', '2', revision)
        await bucket.delete('second')
        await bucket.purge('second')
      },
    },
  ],
  [
    'read an object store',
    {
      async run(connection) {
        const objects = await new Objm(connection).open('B')
        expect(await objects.getBlob('first')).toHaveLength(300_000)
        expect((await objects.list()).map(({ name }) => name)).toContain('first')
        for await (const info of await objects.watch({ includeHistory: true })) if (info?.name === 'first') break
      },
    },
  ],
  [
    'write to it',
    {
      with: 'read an object store',
      async run(connection) {
        const objects = await new Objm(connection).open('B')
        await objects.putBlob({ name: 'second' }, new Uint8Array(300_000))
        await objects.delete('second')
      },
    },
  ],
]
const consumerInfo = (stream: string, name: string) => root.request(`$JS.API.CONSUMER.INFO.${stream}.${name}`)

it('the table names the uses that are tested', () => {
  expect(rows.map(({ use }) => use)).toEqual(uses.map(([use]) => use))
})

describe.each(uses.map(([use, details], index) => [index, use, details] as const))('row %i: %s', (index, _, use) => {
  it('works with these permissions, and needs each of them', async () => {
    const own = rows[index] as Row
    const given = [own, ...rows.filter(({ use: other }) => other === use.with)]
    const connection = await client(
      { publish: given.flatMap(({ publish }) => publish), subscribe: given.flatMap(({ subscribe }) => subscribe) },
      use.claims,
    )
    const published: string[] = []
    const seen = root.subscribe('>', { callback: (_, { subject }) => void published.push(subject) })
    await root.flush()
    const refusals: string[] = []
    void (async () => {
      for await (const status of connection.status()) if (status.type === 'error') refusals.push(String(status.error))
    })()
    await use.run(connection)
    await connection.close()
    await root.flush()
    seen.unsubscribe()
    expect(refusals).toEqual([])
    expect(own.publish.filter((rule) => !published.some((subject) => matchesFilter(rule, subject)))).toEqual([])
  })
})
