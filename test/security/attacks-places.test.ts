/** Attacks on filters, consumers, the time of JetStream and the buffer for an outage, which are limited for each hub. */
import { connect, type NatsConnection } from 'nats'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { defaultLimits } from '../../bridge/auth/limits.ts'
import type { BridgeServer } from '../../bridge/hosts/node.ts'
import type { RawClient } from '../conformance/edge-protocol/raw-client.ts'
import { eventually } from '../support/eventually.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { SECRET } from '../support/token.ts'
import { connected, everything, LiveBridges, sign } from './live-bridge.ts'

let bridges: LiveBridges
let backend: NatsConnection
beforeAll(async () => {
  bridges = await LiveBridges.start({ jetstream: true })
  backend = await connect({ servers: bridges.nats.url })
}, 60_000)
afterAll(async () => {
  await backend?.close()
  await bridges?.close()
})

const as = async (bridge: BridgeServer, sub: string) =>
  connected(bridge, { auth_token: await sign({ sub, nats: everything }) })

async function makeStream(name: string, messages = 0): Promise<void> {
  const jsm = await backend.jetstreamManager()
  await jsm.streams.add({ name, subjects: [`${name}.>`], storage: 'memory' as never })
  for (let i = 0; i < messages; i++) backend.publish(`${name}.${i % 7}.x`, `${i}`)
  await backend.flush()
}

/** Waits for a status of a replay. */
async function status(client: RawClient, text: string): Promise<void> {
  for (let line = await client.next(15_000); line; line = await client.next(15_000))
    if (line.headers?.includes(text)) return
  throw new Error(`The connection ended: ${client.ending?.reason}`)
}

describe('replays of as many filters as one connection may subscribe to', () => {
  it('leave consumers of the stream for others: their replays open, and /history answers', async () => {
    const bridge = await bridges.serve({ auth: { secret: SECRET } })
    await makeStream('many', 10)
    const mallory = await as(bridge, 'mallory')
    const filters = Array.from({ length: 1_023 }, (_, i) => `SUB $EDGE.REPLAY.all.many.${i}.x ${i}\r\n`)
    mallory.send(filters.join(''))
    const { lines } = await mallory.exchange('', 30_000)
    // Each refused replay is reported on its sid.
    const refused = lines.filter(({ headers }) => headers?.includes('429 Too Many Replays'))
    expect(refused.length).toBe(1_023 - defaultLimits.replays.connection)
    const neighbour = await as(bridge, 'neighbour')
    neighbour.send('SUB $EDGE.REPLAY.all.many.> 1\r\n')
    await status(neighbour, 'Replay Live')
    const headers = { Authorization: `Bearer ${await sign({ sub: 'neighbour', nats: everything })}` }
    const history = await fetch(`${bridge.url}/history/many.1.x`, { headers })
    expect(history.status).toBe(200)
    mallory.terminate()
    neighbour.terminate()
  }, 60_000)

  it('are bounded for a user with several connections, and given back when they end', async () => {
    const bridge = await bridges.serve({
      auth: { secret: SECRET },
      limits: { replays: { connection: 10, user: 15 } },
    })
    await makeStream('few')
    const [first, second] = [await as(bridge, 'mallory'), await as(bridge, 'mallory')]
    const subscribe = (client: RawClient) =>
      client.exchange(
        Array.from(
          { length: 10 },
          (_, i) => `SUB $EDGE.REPLAY.new.few.${client === first ? 'a' : 'b'}.${i} ${i}\r\n`,
        ).join(''),
      )
    const count = ({ lines }: Awaited<ReturnType<typeof subscribe>>) =>
      lines.filter(({ headers }) => headers?.includes('429 Too Many Replays')).length
    expect(count(await subscribe(first))).toBe(0)
    expect(count(await subscribe(second))).toBe(5)
    first.terminate()
    await eventually(
      async () => count(await second.exchange(`SUB $EDGE.REPLAY.new.few.c.${Math.random()} c\r\n`)) === 0,
    )
    second.terminate()
  }, 60_000)
})

describe('a thousand cursors with many JetStream requests each', () => {
  it('are resolved a few at a time: JetStream has time for others', async () => {
    const bridge = await bridges.serve({ auth: { secret: SECRET } })
    await makeStream('deep', 5_000)
    const underway = new Set<string>()
    let most = 0
    const watching = backend.subscribe('>', {
      callback: (_, { subject, reply }) => {
        if (subject.startsWith('$JS.API.') && !subject.includes('DELETE') && reply) underway.add(reply)
        else underway.delete(subject)
        most = Math.max(most, underway.size)
      },
    })
    await backend.flush()
    const attackers = await Promise.all(Array.from({ length: 5 }, (_, i) => as(bridge, `mallory${i}`)))
    const cursors = Array.from({ length: 1_023 }, (_, i) => `SUB $EDGE.REPLAY.n${2 + i}.deep.3.x ${i}\r\n`).join('')
    for (const attacker of attackers) attacker.send(cursors)
    const neighbour = await as(bridge, 'neighbour')
    neighbour.send('SUB $EDGE.REPLAY.n3.deep.> 1\r\n')
    await status(neighbour, 'Replay Live')
    expect(most).toBeLessThanOrEqual(defaultLimits.apiRequests.hub + 8)
    for (const client of [...attackers, neighbour]) client.terminate()
    watching.unsubscribe()
  }, 60_000)
})

describe('a stream that takes no more consumers', () => {
  it('ends a replay with the reason, and gets few requests', async () => {
    const bridge = await bridges.serve({ auth: { secret: SECRET } })
    const jsm = await backend.jetstreamManager()
    await jsm.streams.add({ name: 'full', subjects: ['full.>'], storage: 'memory' as never, max_consumers: 1 })
    await jsm.consumers.add('full', { durable_name: 'only', ack_policy: 'none' as never })
    let requests = 0
    const watching = backend.subscribe('$JS.API.CONSUMER.CREATE.full.>', { callback: () => void requests++ })
    const client = await as(bridge, 'ada')
    client.send('SUB $EDGE.REPLAY.all.full.> 1\r\n')
    await status(client, '503 Stream Unavailable')
    // Later replays get the same answer without another request.
    for (let sid = 2; sid < 12; sid++) {
      client.send(`SUB $EDGE.REPLAY.all.full.> ${sid}\r\n`)
      await status(client, '503 Stream Unavailable')
    }
    await backend.flush()
    expect(requests).toBeLessThan(4)
    await jsm.consumers.delete('full', 'only')
    await eventually(
      async () => {
        client.send(`SUB $EDGE.REPLAY.all.full.> again${Math.random()}\r\n`)
        const line = await client.next(10_000)
        return line?.headers?.includes('100 Replay')
      },
      { what: 'a replay' },
    )
    client.terminate()
    watching.unsubscribe()
  }, 40_000)
})

describe('one user with as many filters as it can have', () => {
  it('leaves room for the subscriptions, inboxes and event streams of others', async () => {
    const bridge = await bridges.serve({
      auth: { secret: SECRET },
      limits: { maxFilters: 2_000, maxFiltersPerUser: 1_900 },
    })
    const attackers = await Promise.all(Array.from({ length: 3 }, () => as(bridge, 'mallory')))
    for (const [index, attacker] of attackers.entries())
      await attacker.exchange(Array.from({ length: 1_000 }, (_, i) => `SUB f.${index}.${i} ${i}\r\n`).join(''))
    const neighbour = await as(bridge, 'neighbour')
    const { lines } = await neighbour.exchange('SUB new.one 1\r\nSUB _INBOX.mine.* 2\r\n')
    expect(lines).toEqual([])
    const headers = { Authorization: `Bearer ${await sign({ sub: 'other', nats: everything })}` }
    const events = await fetch(`${bridge.url}/events?subject=another`, { headers })
    expect(events.status).toBe(200)
    await events.body?.cancel()
    // Places are free again after UNSUB.
    const again = await attackers[0]?.exchange(
      `${Array.from({ length: 9 }, (_, i) => `UNSUB ${i}\r\n`).join('')}SUB new.two two\r\n`,
    )
    expect(again?.lines).toEqual([])
    for (const client of [...attackers, neighbour]) client.terminate()
  }, 30_000)
})

describe('NATS is away, and one user publishes as much as the bridge keeps', () => {
  it('leaves room for the messages of others, and more messages are refused without closing the connection', async () => {
    const nats = await startNatsServer()
    const bridge = await bridges.serve({ auth: { secret: SECRET }, upstream: nats.url } as never)
    const witness = await as(bridge, 'witness')
    await witness.exchange('SUB calm.> 1\r\n')
    const mallory = await as(bridge, 'mallory')
    const others = await Promise.all(Array.from({ length: 20 }, (_, i) => as(bridge, `other${i}`)))
    await nats.stop()
    await eventually(() => !bridge.bridge.hub.upstreamOpen)
    for (let i = 0; i < 79; i++) mallory.send(`PUB flood 100000\r\n${'x'.repeat(100_000)}\r\n`)
    const { lines, ending } = await mallory.exchange()
    expect(ending).toBeUndefined()
    expect(
      lines.filter(({ line }) => line.includes('"flood" with more bytes than the upstream takes now')).length,
    ).toBeGreaterThan(60)
    for (const [index, other] of others.entries())
      expect(await other.exchange(`PUB calm.${index} 2\r\nhi\r\n`)).toEqual({ lines: [] })
    await nats.restart()
    const seen = new Set<string>()
    while (seen.size < 20) seen.add((await witness.next(10_000))?.line ?? 'the end')
    expect([...seen].every((line) => line.startsWith('MSG calm.'))).toBe(true)
    for (const client of [mallory, witness, ...others]) client.terminate()
    await bridge.close()
    await nats[Symbol.asyncDispose]()
  }, 40_000)
})
