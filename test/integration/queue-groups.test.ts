/** Queue groups of which some members are clients of a bridge: each message has one receiver, as at nats-server. */
import { connect as dial, type NatsConnection, type Subscription } from 'nats'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { BridgeServer } from '../../bridge/hosts/node.ts'
import type { RawClient } from '../conformance/edge-protocol/raw-client.ts'
import { connected, everything, LiveBridges, sign } from '../security/live-bridge.ts'
import { eventually } from '../support/eventually.ts'
import { SECRET } from '../support/token.ts'

const COUNT = 1_000
const limits = { publishRate: { messages: 1e9, bytes: 1e12 } }

let bridges: LiveBridges
let bridge: BridgeServer
let other: BridgeServer
let native: NatsConnection
beforeAll(async () => {
  bridges = await LiveBridges.start()
  const options = { auth: { secret: SECRET }, limits }
  bridge = await bridges.serve(options)
  other = await bridges.serve(options)
  native = await dial({ servers: bridges.nats.url })
}, 60_000)
afterAll(async () => {
  await native?.close()
  await bridges?.close()
})

const workers: Subscription[] = []
afterEach(() => {
  for (const worker of workers.splice(0)) worker.unsubscribe()
})

let subjects = 0
const newSubject = () => `work.${++subjects}`

/** A member on nats-server itself. Its list grows with each message. */
async function nativeWorker(filter: string, queue = 'q'): Promise<string[]> {
  const got: string[] = []
  workers.push(native.subscribe(filter, { queue, callback: (_, message) => got.push(message.string()) }))
  await native.flush()
  return got
}

async function member(flags: object = {}, nats: object = everything, at = bridge, sub = 'ada'): Promise<RawClient> {
  return connected(at, { auth_token: await sign({ sub, nats }), ...flags })
}

const publish = (subject: string, from: number, count: number) =>
  Array.from({ length: count }, (_, i) => {
    const text = String(from + i)
    return `PUB ${subject} ${text.length}\r\n${text}\r\n`
  }).join('')

/** Publishes from nats-server, and resolves when it has all. */
async function publishNatively(subject: string, count = COUNT, from = 0): Promise<void> {
  for (let i = from; i < from + count; i++) native.publish(subject, String(i))
  await native.flush()
}

/** Payloads of a client that came by now. */
async function received(client: RawClient): Promise<string[]> {
  const { lines } = await client.exchange()
  return lines.flatMap(({ line, payload = '' }) => (/^H?MSG/.test(line) ? [payload] : []))
}

/** Each message must have come once, to one of the receivers. */
async function expectEach(receivers: ReadonlyArray<RawClient | string[]>, count = COUNT): Promise<void> {
  const lists = receivers.map((one) => (Array.isArray(one) ? one : []))
  await eventually(
    async () => {
      for (const [index, one] of receivers.entries())
        if (!Array.isArray(one)) lists[index]?.push(...(await received(one)))
      return lists.flat().length >= count
    },
    { what: `${count} messages` },
  ).catch(() => {})
  const all = lists.flat().sort((a, b) => Number(a) - Number(b))
  expect(all).toEqual(Array.from({ length: count }, (_, i) => String(i)))
}

describe('a queue group of a native worker and a member at the bridge loses nothing', () => {
  it('if the member has echo: false, and publishes by itself', async () => {
    const subject = newSubject()
    const worker = await nativeWorker(subject)
    const client = await member({ echo: false })
    const witness = await member({ echo: false })
    await witness.exchange(`SUB ${subject} 1\r\n`)
    await client.exchange(`SUB ${subject} q 1\r\n`)
    await client.exchange(publish(subject, 0, COUNT))
    await expectEach([worker])
    expect(await received(client)).toEqual([])
    // Others are not affected: plain subscribers, in order, and the member's part of the messages of others.
    expect(await received(witness)).toEqual(Array.from({ length: COUNT }, (_, i) => String(i)))
    worker.length = 0
    await publishNatively(subject)
    const own: string[] = []
    await eventually(async () => own.push(...(await received(client))) + worker.length >= COUNT)
    expect(own.length).toBeGreaterThan(COUNT / 4)
    for (const one of [client, witness]) one.terminate()
  })

  it('if the member has a deny on the subject: it is refused', async () => {
    const subject = newSubject()
    const worker = await nativeWorker(subject)
    const nats = { pub: {}, sub: { allow: ['work.>'], deny: [subject] } }
    const client = await member({}, nats)
    for (const filter of ['work.>', 'work.*', subject]) {
      const { lines } = await client.exchange(`SUB ${filter} q 1\r\n`)
      expect(lines.map(({ line }) => line)).toEqual([
        `-ERR 'Permissions Violation for Subscription to "${filter}" using queue "q"'`,
      ])
    }
    // Without a queue group the subscription stays, and denied messages are withheld.
    expect((await client.exchange('SUB work.> 2\r\n')).lines).toEqual([])
    await publishNatively(subject)
    await expectEach([worker])
    expect(await received(client)).toEqual([])
    client.terminate()
  })

  it('if new credentials bring such a deny while the member is one', async () => {
    const subject = newSubject()
    const worker = await nativeWorker(subject)
    const client = await member({}, { pub: {}, sub: { allow: ['work.>'] } })
    await client.exchange('SUB work.> q 1\r\n')
    const nats = { pub: {}, sub: { allow: ['work.>'], deny: [subject] } }
    const renewal = JSON.stringify({ verbose: false, auth_token: await sign({ sub: 'ada', nats }) })
    const { lines } = await client.exchange(`CONNECT ${renewal}\r\n`)
    expect(lines.map(({ line }) => line)).toEqual([
      `-ERR 'Permissions Violation for Subscription to "work.>" using queue "q"'`,
    ])
    await publishNatively(subject)
    await expectEach([worker])
    client.terminate()
  })

  it('if the member takes a number of messages (UNSUB 1 5)', async () => {
    const subject = newSubject()
    const worker = await nativeWorker(subject)
    const client = await member()
    await client.exchange(`SUB ${subject} q 1\r\nUNSUB 1 5\r\n`)
    await publishNatively(subject)
    await expectEach([worker, client])
    expect(worker).toHaveLength(COUNT - 5)
    client.terminate()
  })

  it('if the member takes a number of messages while they come', async () => {
    const subject = newSubject()
    const worker = await nativeWorker(subject)
    const client = await member()
    await client.exchange(`SUB ${subject} q 1\r\n`)
    const publishing = publishNatively(subject)
    client.send('UNSUB 1 300\r\n')
    await publishing
    await expectEach([worker, client])
    client.terminate()
  })

  it('if members leave, one after the other, while messages come', async () => {
    const subject = newSubject()
    const worker = await nativeWorker(subject)
    const clients = await Promise.all(
      Array.from({ length: 4 }, (_, i) => member({}, everything, i % 2 ? other : bridge)),
    )
    for (const client of clients) await client.exchange(`SUB ${subject} q 1\r\n`)
    for (const [index, client] of clients.entries()) {
      const publishing = publishNatively(subject, COUNT / 4, (index * COUNT) / 4)
      client.send('UNSUB 1\r\n')
      await publishing
    }
    await expectEach([worker, ...clients])
    for (const client of clients) client.terminate()
  })

  it('if members of one hub have different filters, and only some of them read headers', async () => {
    const subject = newSubject()
    const worker = await nativeWorker('work.>')
    const old = await member({ headers: false, no_responders: false })
    const [wide, narrow] = [await member(), await member({}, everything, other)]
    await old.exchange('SUB work.* q 1\r\n')
    await wide.exchange('SUB work.> q 1\r\n')
    await narrow.exchange(`SUB ${subject} q 1\r\n`)
    await publishNatively(subject)
    await expectEach([worker, old, wide, narrow])
    for (const client of [old, wide, narrow]) client.terminate()
  })

  it('if the member reads nothing for a while', async () => {
    const subject = newSubject()
    const worker = await nativeWorker(subject)
    const client = await member()
    await client.exchange(`SUB ${subject} q 1\r\nSUB $EDGE.CONFLATE.${subject} 2\r\n`)
    client.pause()
    await publishNatively(subject)
    client.resume()
    const own = new Set<string>()
    await eventually(
      async () => {
        for (const { line, payload = '' } of (await client.exchange()).lines)
          if (line.startsWith(`MSG ${subject} 1 `)) own.add(payload)
        return own.size + worker.length >= COUNT
      },
      { what: 'all messages' },
    )
    expect(new Set([...own, ...worker]).size).toBe(COUNT)
    client.terminate()
  })
})

describe('a member of a queue group with echo: false', () => {
  it('is answered by a status where it is the only one, as at nats-server', async () => {
    const subject = newSubject()
    const client = await member({ echo: false })
    await client.exchange(`SUB ${subject} q 1\r\nSUB _INBOX.a.* 2\r\n`)
    client.send(`PUB ${subject} _INBOX.a.1 0\r\n\r\n`)
    expect((await client.next())?.headers).toMatch(/^NATS\/1\.0 503/)
    client.terminate()
  })

  it('publishes in order, before and after it joins', async () => {
    const subject = newSubject()
    const watcher = await member()
    await watcher.exchange(`SUB ${subject} 1\r\n`)
    const client = await member({ echo: false })
    await client.exchange(
      `${publish(subject, 0, 500)}SUB ${subject} q 1\r\n${publish(subject, 500, 500)}UNSUB 1\r\n${publish(subject, 1_000, 10)}`,
    )
    await expectEach([watcher], 1_010)
    for (const one of [client, watcher]) one.terminate()
  })

  it('has as few connections of its own as its user may have, and others keep theirs', async () => {
    const eve = () => member({ echo: false }, everything, bridge, 'eve')
    const clients = await Promise.all(Array.from({ length: 11 }, () => eve()))
    const refused: string[] = []
    for (const client of clients) {
      const { lines } = await client.exchange('SUB work.limit q 1\r\n')
      refused.push(...lines.map(({ line }) => line))
    }
    expect(refused).toEqual(["-ERR 'maximum subscriptions exceeded'"])
    const bob = await member({ echo: false }, everything, bridge, 'bob')
    expect((await bob.exchange('SUB work.limit q 1\r\n')).lines).toEqual([])
    for (const client of [...clients, bob]) client.terminate()
    // A connection that has ended gives its place back.
    await eventually(async () => {
      const next = await eve()
      const { lines } = await next.exchange('SUB work.limit q 1\r\n')
      next.terminate()
      return lines.length === 0
    })
  })
})
