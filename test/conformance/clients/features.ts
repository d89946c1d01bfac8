import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { eventually } from '../../support/eventually.ts'
import type { ClientEndpoint } from './endpoints.ts'
import type {
  StockClient,
  StockConnection,
  StockMessage,
  StockOptions,
  StockStores,
  StockSubscription,
} from './stock-client.ts'

export interface FeatureContext {
  readonly client: StockClient
  readonly endpoint: ClientEndpoint
  /** A subject token for this test. */
  readonly token: string
  /** Connects the client under test to the endpoint. */
  connect(options?: Partial<StockOptions>): Promise<StockConnection>
  /** Connects the reference client to the nats-server behind it. */
  peer(): Promise<StockConnection>
  /** The stores of a connection of the client under test. */
  stores(connection: StockConnection): Promise<StockStores>
}

export interface Feature {
  readonly name: string
  run(context: FeatureContext): Promise<void>
}

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (message: StockMessage) => new TextDecoder().decode(message.data)
const numbers = (count: number) => Array.from({ length: count }, (_, i) => String(i))

/** Collects the messages of a subscription. */
function gather(subscription: StockSubscription): { seen: string[]; messages: StockMessage[]; end: Promise<unknown> } {
  const seen: string[] = []
  const messages: StockMessage[] = []
  const end = (async () => {
    for await (const message of subscription) {
      seen.push(text(message))
      messages.push(message)
    }
  })()
  end.catch(() => {})
  return { seen, messages, end }
}

async function until(seen: readonly string[], count: number): Promise<void> {
  await eventually(() => seen.length >= count, { what: `${count} messages; got ${seen.length}` })
}

/** Sends `answers` as replies to each request on `subject`. */
function respond(connection: StockConnection, subject: string, answers: readonly string[], queue?: string): void {
  const subscription = connection.subscribe(subject, queue === undefined ? {} : { queue })
  void (async () => {
    for await (const message of subscription)
      for (const answer of answers) message.respond(bytes(`${answer} ${text(message)}`))
  })()
}

/** Describes an error and its cause. Version 2 has codes, version 3 has classes. */
function describeError(error: unknown): string {
  const { name, message, code, cause } = error as { name: string; message: string; code?: string; cause?: unknown }
  return [name, message, code, cause ? describeError(cause) : ''].join(' ')
}

async function failure(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no failure',
    (error) => describeError(error),
  )
}

export const features: readonly Feature[] = [
  {
    name: 'connect',
    async run({ client, connect, endpoint }) {
      const connection = await connect()
      await connection.flush()
      await connection.close()
      const wrong = failure(client.connect({ servers: endpoint.url, ...endpoint.wrong }))
      expect(await wrong).toMatch(/authorization/i)
    },
  },
  {
    name: 'publish',
    async run({ connect, peer, token }) {
      const [connection, other] = [await connect(), await peer()]
      const { seen, messages } = gather(other.subscribe(token))
      await other.flush()
      for (const number of numbers(100)) connection.publish(token, bytes(number))
      connection.publish(token, new Uint8Array([0, 255, 13, 10, 0]))
      connection.publish(token)
      await until(seen, 102)
      expect(seen.slice(0, 100)).toEqual(numbers(100))
      expect([...(messages[100]?.data ?? [])]).toEqual([0, 255, 13, 10, 0])
      expect(messages[101]?.data).toHaveLength(0)
    },
  },
  {
    name: 'subscribe',
    async run({ connect, peer, token }) {
      const [connection, other] = [await connect(), await peer()]
      const { seen } = gather(connection.subscribe(token))
      await connection.flush()
      for (const number of numbers(100)) other.publish(token, bytes(number))
      await until(seen, 100)
      expect(seen).toEqual(numbers(100))
    },
  },
  {
    name: 'wildcards',
    async run({ connect, peer, token }) {
      const [connection, other] = [await connect(), await peer()]
      const one = gather(connection.subscribe(`${token}.*.x`))
      const rest = gather(connection.subscribe(`${token}.>`))
      await connection.flush()
      for (const subject of ['a', 'a.x', 'b.x', 'a.x.y']) other.publish(`${token}.${subject}`, bytes(subject))
      await until(rest.seen, 4)
      await connection.flush()
      expect(rest.seen).toEqual(['a', 'a.x', 'b.x', 'a.x.y'])
      expect(one.seen).toEqual(['a.x', 'b.x'])
      expect(one.messages.map(({ subject }) => subject)).toEqual([`${token}.a.x`, `${token}.b.x`])
    },
  },
  {
    name: 'queue groups',
    async run({ connect, peer, token }) {
      const connections = [await connect(), await connect(), await peer()]
      const members = connections.map((connection) => gather(connection.subscribe(token, { queue: 'q' })))
      for (const connection of connections) await connection.flush()
      const publisher = await peer()
      for (const number of numbers(300)) publisher.publish(token, bytes(number))
      await eventually(() => members.reduce((sum, { seen }) => sum + seen.length, 0) >= 300)
      for (const connection of connections) await connection.flush()
      const all = members.flatMap(({ seen }) => seen).sort((a, b) => Number(a) - Number(b))
      expect(all).toEqual(numbers(300))
      for (const { seen } of members) expect(seen.length).toBeGreaterThan(0)
    },
  },
  {
    name: 'request/reply',
    async run({ connect, peer, token }) {
      const [connection, other] = [await connect(), await peer()]
      respond(other, `${token}.peer`, ['peer'])
      respond(connection, `${token}.client`, ['client'])
      await Promise.all([other.flush(), connection.flush()])
      const requests = numbers(20).flatMap((number) => [
        connection.request(`${token}.peer`, bytes(number), { timeout: 3_000 }),
        other.request(`${token}.client`, bytes(number), { timeout: 3_000 }),
        connection.request(`${token}.client`, bytes(number), { timeout: 3_000 }),
      ])
      const answers = (await Promise.all(requests)).map(text)
      expect(answers).toEqual(numbers(20).flatMap((n) => [`peer ${n}`, `client ${n}`, `client ${n}`]))
    },
  },
  {
    name: 'request many',
    async run({ connect, peer, token }) {
      const [connection, other] = [await connect(), await peer()]
      respond(other, token, ['1', '2', '3'])
      await other.flush()
      const options = { maxWait: 3_000, maxMessages: 3, strategy: 'count' } as const
      const answers: string[] = []
      for await (const answer of await connection.requestMany(token, bytes('x'), options)) {
        if (answer instanceof Error) throw answer
        answers.push(text(answer))
      }
      expect(answers).toEqual(['1 x', '2 x', '3 x'])
    },
  },
  {
    name: 'no responders',
    async run({ connect, token }) {
      const connection = await connect()
      const error = await failure(connection.request(token, bytes('x'), { timeout: 3_000 }))
      expect(error).toMatch(/503|no ?responders/i)
    },
  },
  {
    name: 'headers',
    async run({ client, connect, peer, token }) {
      const [connection, other] = [await connect(), await peer()]
      const there = gather(other.subscribe(`${token}.there`))
      const back = gather(connection.subscribe(`${token}.back`))
      await Promise.all([other.flush(), connection.flush()])
      const headers = client.headers()
      headers.append('Name', 'a')
      headers.append('Name', 'b')
      headers.append('Other', 'ü: x')
      connection.publish(`${token}.there`, bytes('x'), { headers })
      await until(there.seen, 1)
      const got = there.messages[0]?.headers
      expect(got?.values('Name')).toEqual(['a', 'b'])
      expect(got?.get('Other')).toBe('ü: x')
      if (got) other.publish(`${token}.back`, bytes('y'), { headers: got, reply: 'some.reply' })
      await until(back.seen, 1)
      expect(back.messages[0]?.headers?.values('Name')).toEqual(['a', 'b'])
      expect(back.messages[0]?.reply).toBe('some.reply')
    },
  },
  {
    name: 'max and auto-unsubscribe',
    async run({ connect, peer, token }) {
      const [connection, other] = [await connect(), await peer()]
      const max = gather(connection.subscribe(token, { max: 3 }))
      const later = connection.subscribe(token)
      const auto = gather(later)
      await connection.flush()
      for (const number of numbers(2)) other.publish(token, bytes(number))
      await until(auto.seen, 2)
      later.unsubscribe(5)
      await connection.flush()
      for (const number of ['2', '3', '4', '5', '6']) other.publish(token, bytes(number))
      await Promise.all([max.end, auto.end])
      await other.flush()
      await connection.flush()
      expect(max.seen).toEqual(numbers(3))
      expect(auto.seen).toEqual(numbers(5))
    },
  },
  {
    name: 'drain',
    async run({ connect, peer, token }) {
      const [connection, other] = [await connect(), await peer()]
      // A member of a queue group drains while messages arrive. Each message has one receiver.
      const leaving = connection.subscribe(`${token}.q`, { queue: 'q' })
      const staying = gather(other.subscribe(`${token}.q`, { queue: 'q' }))
      const left = gather(leaving)
      await Promise.all([connection.flush(), other.flush()])
      const publisher = await peer()
      for (const [index, number] of numbers(2_000).entries()) {
        publisher.publish(`${token}.q`, bytes(number))
        if (index === 1_000) {
          await publisher.flush()
          void leaving.drain()
        }
      }
      await publisher.flush()
      await left.end
      await other.flush()
      const all = [...left.seen, ...staying.seen].sort((a, b) => Number(a) - Number(b))
      expect(all).toEqual(numbers(2_000))
      // A connection drains. Its publishes arrive, then it closes.
      const arrived = gather(other.subscribe(`${token}.out`))
      await other.flush()
      const own = gather(connection.subscribe(`${token}.out`))
      for (const number of numbers(100)) connection.publish(`${token}.out`, bytes(number))
      await connection.drain()
      await connection.closed()
      await until(arrived.seen, 100)
      expect(arrived.seen).toEqual(numbers(100))
      expect(own.seen).toEqual(numbers(100))
    },
  },
  {
    name: 'flush and ping',
    async run({ connect, peer, token }) {
      const [connection, other] = [await connect(), await peer()]
      for (const number of numbers(20)) {
        const { seen } = gather(connection.subscribe(`${token}.${number}`, { max: 1 }))
        await connection.flush()
        // After the flush the subscription is live.
        other.publish(`${token}.${number}`, bytes('x'))
        await until(seen, 1)
      }
      expect(await connection.rtt()).toBeGreaterThanOrEqual(0)
      await Promise.all(numbers(20).map(() => connection.flush()))
    },
  },
  ...(['verbose', 'pedantic'] as const).map(
    (mode): Feature => ({
      name: mode,
      async run({ connect, peer, token }) {
        const [connection, other] = [await connect({ [mode]: true }), await peer()]
        const { seen } = gather(connection.subscribe(token, { max: 3 }))
        respond(other, `${token}.ask`, ['yes'])
        await Promise.all([connection.flush(), other.flush()])
        connection.publish(token, bytes('1'))
        await until(seen, 1)
        other.publish(token, bytes('2'))
        expect(text(await connection.request(`${token}.ask`, bytes('?'), { timeout: 3_000 }))).toBe('yes ?')
        connection.publish(token, bytes('3'))
        await until(seen, 3)
        expect(seen).toEqual(['1', '2', '3'])
      },
    }),
  ),
  {
    name: 'echo: false',
    async run({ connect, peer, token }) {
      const [connection, other] = [await connect({ noEcho: true }), await peer()]
      const own = gather(connection.subscribe(token))
      const theirs = gather(other.subscribe(token))
      await Promise.all([connection.flush(), other.flush()])
      connection.publish(token, bytes('mine'))
      await until(theirs.seen, 1)
      other.publish(token, bytes('theirs'))
      await until(own.seen, 1)
      await connection.flush()
      expect(own.seen).toEqual(['theirs'])
    },
  },
  {
    name: 'payload limits',
    async run({ connect, peer, token }) {
      const [connection, other] = [await connect(), await peer()]
      const max = connection.info?.max_payload ?? 0
      expect(max).toBe(other.info?.max_payload)
      const { messages, seen } = gather(other.subscribe(token))
      await other.flush()
      connection.publish(token, new Uint8Array(max))
      await until(seen, 1)
      expect(messages[0]?.data).toHaveLength(max)
      expect(await failure((async () => connection.publish(token, new Uint8Array(max + 1)))())).toMatch(
        /payload|argument/i,
      )
      await connection.flush()
    },
  },
  {
    name: 'permissions',
    async run({ connect, endpoint, peer }) {
      const [connection, other] = [await connect(endpoint.limited), await peer()]
      const refused = gather(connection.subscribe('no'))
      expect(await failure(refused.end)).toMatch(/permission/i)
      const { seen } = gather(other.subscribe('ok.a'))
      await other.flush()
      connection.publish('no', bytes('x'))
      connection.publish('ok.a', bytes('x'))
      await until(seen, 1)
      await connection.flush()
    },
  },
  {
    name: 'reconnect after a cut',
    async run({ connect, endpoint, peer, token }) {
      const [connection, other] = [await connect(), await peer()]
      const { seen } = gather(connection.subscribe(token))
      await connection.flush()
      for (const number of numbers(3)) {
        const reconnected = next(connection, 'reconnect')
        endpoint.cut()
        await reconnected
        await connection.flush()
        other.publish(token, bytes(number))
        await until(seen, Number(number) + 1)
      }
      expect(seen).toEqual(numbers(3))
    },
  },
  {
    name: 'restart of the server',
    async run({ connect, endpoint, token }) {
      const connection = await connect()
      const { seen } = gather(connection.subscribe(token))
      await connection.flush()
      await endpoint.restart()
      // A restart of nats-server ends its connections, but not connections to a bridge. Both become live again.
      const publisher = await connect()
      await eventually(
        async () => {
          publisher.publish(token, bytes('x'))
          await publisher.flush()
          return seen.length > 0
        },
        { what: 'the subscription to be live again' },
      )
      await connection.flush()
    },
  },
  {
    name: 'key-value store',
    async run({ connect, stores, token }) {
      const bucket = await (await stores(await connect())).bucket(token)
      const seen: string[] = []
      const watch = await bucket.watch()
      void (async () => {
        for await (const entry of watch) seen.push(`${entry.key} ${entry.operation === 'PUT' ? entry.string() : '-'}`)
      })()
      for (const value of ['1', '2']) await bucket.put('a.b', value)
      await bucket.put('c', '3')
      expect((await bucket.get('a.b'))?.string()).toBe('2')
      expect((await all(await bucket.keys())).sort()).toEqual(['a.b', 'c'])
      expect((await all(await bucket.history({ key: 'a.b' }))).map((entry) => entry.string())).toEqual(['1', '2'])
      await bucket.delete('c')
      expect(await all(await bucket.keys())).toEqual(['a.b'])
      await until(seen, 4)
      expect(seen).toEqual(['a.b 1', 'a.b 2', 'c 3', 'c -'])
      watch.stop()
    },
  },
  {
    name: 'object store',
    async run({ connect, stores, token }) {
      const objects = await (await stores(await connect())).objects(token)
      const data = randomBytes(300_000)
      await objects.putBlob({ name: 'big' }, data)
      await objects.putBlob({ name: 'small' }, bytes('hi'))
      expect(Buffer.from((await objects.getBlob('big')) ?? [])).toEqual(data)
      expect((await objects.list()).map(({ name }) => name).sort()).toEqual(['big', 'small'])
    },
  },
  {
    name: 'pull consumer',
    async run({ connect, stores, token }) {
      const connection = await connect()
      const { addStream, addConsumer, fetch } = await stores(connection)
      await addStream({ name: token, subjects: [`${token}.>`] })
      for (const number of numbers(10)) await connection.request(`${token}.a`, bytes(number))
      await addConsumer(token, { durable_name: 'd', ack_policy: 'explicit', filter_subject: `${token}.*` })
      expect(await fetch(token, 'd', 10)).toEqual(numbers(10))
    },
  },
  {
    name: 'push consumer',
    async run({ connect, stores, token }) {
      const connection = await connect()
      const { addStream, addConsumer } = await stores(connection)
      await addStream({ name: token, subjects: [`${token}.>`] })
      for (const number of numbers(10)) await connection.request(`${token}.a`, bytes(number))
      const inbox = `_INBOX.${randomBytes(11).toString('hex')}`
      const { seen, messages } = gather(connection.subscribe(inbox))
      await addConsumer(token, { deliver_subject: inbox, ack_policy: 'none', filter_subject: `${token}.*` })
      await until(seen, 10)
      expect(seen).toEqual(numbers(10))
      expect(messages[0]?.subject).toBe(`${token}.a`)
    },
  },
]

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = []
  for await (const item of items) list.push(item)
  return list
}

async function next(connection: StockConnection, type: string): Promise<void> {
  for await (const status of connection.status()) if (status.type === type) return
}

export function uniqueToken(): string {
  return `t${randomBytes(6).toString('hex')}`
}
