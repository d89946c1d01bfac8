import { once } from 'node:events'
import { connect as connectNats } from 'nats'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { z } from 'zod'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { connect, defineEvents, event } from '../../sdk/index.ts'
import type { JetStreamApi } from '../../sdk/jetstream/api.ts'
import type { Transport } from '../../sdk/transport/transport.ts'
import { webSocket } from '../../sdk/transport/websocket/websocket.ts'
import { encodeFrame } from '../../sdk/wire/bytes.ts'
import { encodeConnect, encodeSubscribe } from '../../sdk/wire/client-op.ts'
import { parseHeaders } from '../../sdk/wire/headers.ts'
import { encodeReplay, parseAckSubject, type ReplayStart } from '../../sdk/wire/replay-frames.ts'
import { createServerReader } from '../../sdk/wire/server-reader.ts'
import { eventually } from '../support/eventually.ts'
import { coreOf } from '../support/hub-core.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { createToken, rootToken, SECRET } from '../support/token.ts'

const events = defineEvents({ 'orders.{id}': event(z.object({ n: z.number() }), { stream: 'ORDERS' }) })

/** Messages of one raw replay: `n` by sequence, and statuses. */
function follow(transport: Transport, start: ReplayStart, filter: string) {
  const seqs: number[] = []
  const subjects: string[] = []
  const statuses: Array<{ code: number; text: string; fields: Record<string, string> }> = []
  const subscription = transport.subscribe(encodeReplay(start, filter), {
    message({ subject, reply, headerBlock, payload }) {
      const { status, description = '', fields } = headerBlock ? parseHeaders(headerBlock) : { fields: [] }
      if (status !== undefined && payload.length === 0) {
        statuses.push({ code: status, text: description, fields: Object.fromEntries(fields) })
      } else {
        seqs.push(parseAckSubject(reply ?? '')?.seq ?? 0)
        subjects.push(subject)
      }
    },
    ended: (error) => statuses.push({ code: 0, text: error.message, fields: {} }),
  })
  const says = (text: string) => eventually(() => statuses.find((status) => status.text === text), { what: text })
  return { seqs, subjects, statuses, says, end: () => subscription.unsubscribe() }
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

describe.each(['nats-server', 'embedded'] as const)('a replay on %s', (broker) => {
  let nats: NatsServer | undefined
  let server: BridgeServer
  let client: Transport
  let api: JetStreamApi

  beforeAll(async () => {
    if (broker === 'nats-server') nats = await startNatsServer({ jetstream: true })
    const limits = { publishRate: { messages: 100_000, bytes: 1_000_000_000 } }
    server = await serve({ upstream: nats?.url ?? 'embedded', auth: { secret: SECRET }, limits })
    await server.bridge.hub.opened
    client = webSocket({ url: server.url, token: await rootToken() })
    api = coreOf(server.bridge.hub).jetstream
    await api.createStream({ name: 'ORDERS', subjects: ['orders.*'], storage: 'memory' })
  })
  afterAll(async () => {
    await client.close()
    await server.close()
    await nats?.[Symbol.asyncDispose]()
  })

  const publish = async (from: number, to: number, of = (n: number) => `orders.${n % 2}`) => {
    for (const n of range(from, to))
      await client.request(of(n), new TextEncoder().encode(JSON.stringify({ n })), { timeout: 5_000 })
  }

  it('delivers all stored messages in order, then live ones, without a gap', async () => {
    await publish(1, 40)
    const all = follow(client, { at: 'all' }, 'orders.*')
    expect((await all.says('Replay')).fields).toMatchObject({ 'Nats-Stream': 'ORDERS', 'Spanwire-Start-Seq': '1' })
    await all.says('Replay Live')
    expect(all.seqs).toEqual(range(1, 40))
    await publish(41, 60)
    await eventually(() => all.seqs.length === 60)
    expect(all.seqs).toEqual(range(1, 60))
    all.end()
  })

  it('begins at the requested start', async () => {
    const starts: Array<[ReplayStart, number[]]> = [
      [{ at: 'seq', seq: 55 }, range(55, 60)],
      [{ at: 'count', count: 3 }, range(58, 60)],
      [{ at: 'last' }, [60]],
      [{ at: 'last-per-subject' }, [59, 60]],
      [{ at: 'new' }, []],
      [{ at: 'time', time: Date.now() + 60_000 }, []],
      [{ at: 'time', time: 0 }, range(1, 60)],
    ]
    for (const [start, expected] of starts) {
      const replay = follow(client, start, 'orders.*')
      await replay.says('Replay Live')
      expect(replay.seqs, JSON.stringify(start)).toEqual(expected)
      replay.end()
    }
    const even = follow(client, { at: 'count', count: 4 }, 'orders.0')
    await even.says('Replay Live')
    expect(even.seqs).toEqual([54, 56, 58, 60])
    even.end()
  })

  it('reports removed messages once, and only to resumed replays', async () => {
    await api.createStream({ name: 'SMALL', subjects: ['small.*'], storage: 'memory', max_msgs: 10 })
    await publish(1, 30, (n) => `small.${n % 3}`)
    const resumed = follow(client, { at: 'seq', seq: 15 }, 'small.*')
    await resumed.says('Replay Live')
    expect(resumed.seqs).toEqual(range(21, 30))
    expect(resumed.statuses.filter(({ code }) => code === 410).map(({ fields }) => fields['Spanwire-Gap'])).toEqual([
      '15-20',
    ])
    const all = follow(client, { at: 'all' }, 'small.*')
    await all.says('Replay Live')
    expect(all.seqs).toEqual(range(21, 30))
    expect(all.statuses.some(({ code }) => code === 410)).toBe(false)
  })

  it('starts again when the stream is created again', async () => {
    await api.createStream({ name: 'AGAIN', subjects: ['again'], storage: 'memory' })
    await publish(1, 5, () => 'again')
    const replay = follow(client, { at: 'all' }, 'again')
    await replay.says('Replay Live')
    await api.deleteStream('AGAIN')
    await api.createStream({ name: 'AGAIN', subjects: ['again'], storage: 'memory' })
    await publish(6, 8, () => 'again')
    await eventually(() => replay.seqs.length === 8, { deadline: 40_000 })
    expect(replay.seqs).toEqual([1, 2, 3, 4, 5, 1, 2, 3])
    const epochs = replay.statuses.filter(({ text }) => text === 'Replay').map(({ fields }) => fields['Spanwire-Epoch'])
    expect(new Set(epochs).size).toBe(2)
  }, 60_000)

  it('does not serve a stream from memory that was created again without followers', async () => {
    await api.createStream({ name: 'GONE', subjects: ['gone'], storage: 'memory' })
    await publish(1, 3, () => 'gone')
    const before = follow(client, { at: 'all' }, 'gone')
    const { fields } = await before.says('Replay')
    await before.says('Replay Live')
    before.end()
    await client.flush()
    await api.deleteStream('GONE')
    await api.createStream({ name: 'GONE', subjects: ['gone'], storage: 'memory' })
    await publish(4, 5, () => 'gone')
    // The hub caches the info of a stream for a short time.
    await new Promise((resolve) => setTimeout(resolve, 300))
    const after = follow(client, { at: 'seq', seq: 1 }, 'gone')
    expect((await after.says('Replay')).fields['Spanwire-Epoch']).not.toBe(fields['Spanwire-Epoch'])
    await after.says('Replay Live')
    expect(after.seqs).toEqual([1, 2])
  })

  it('refuses impossible replays with a status, and keeps the connection', async () => {
    expect((await follow(client, { at: 'all' }, 'nobody.keeps.this').says('No Stream')).code).toBe(404)
    expect((await follow(client, { at: 'all' }, 'orders.>').says('No Stream')).code).toBe(404)
    expect(client.status.state).toBe('open')
  })

  it('delivers only permitted messages', async () => {
    const token = await createToken({ subscribe: { allow: ['orders.*'], deny: ['orders.0'] } })
    const other = webSocket({ url: server.url, token })
    const replay = follow(other, { at: 'all' }, 'orders.*')
    await replay.says('Replay Live')
    expect(new Set(replay.subjects)).toEqual(new Set(['orders.1']))
    const refused = follow(other, { at: 'all' }, 'small.*')
    const { text } = await eventually(() => refused.statuses[0])
    expect(text).toContain(
      'Permissions Violation for Subscription to \\"$EDGE.REPLAY.all.small.*\\"'.replaceAll('\\', ''),
    )
    await other.close()
  })

  it('delivers each event to a bus once and in order, and acknowledges its publishes', async () => {
    const bus = connect({ url: server.url, token: rootToken, events })
    const { seq, duplicate } = await bus.publish('orders.{id}', { id: '7' }, { n: 1 })
    expect(duplicate).toBe(false)
    const got: number[] = []
    const handle = bus.on('orders.{id}', { id: '7' }, (e) => got.push(e.seq ?? 0), { from: 'all' })
    await handle.live
    await bus.publish('orders.{id}', { id: '7' }, { n: 2 })
    await eventually(() => got.length === 2)
    expect(got[0]).toBe(seq)
    await bus.close()
  })

  it('reads a backlog of many pages', async () => {
    await api.createStream({ name: 'LONG', subjects: ['long.*'], storage: 'memory' })
    if (nats) {
      const connection = await connectNats({ servers: nats.url })
      for (let n = 0; n < 5_000; n++) connection.publish(`long.${n % 7}`, `${n}`)
      await connection.drain()
    } else {
      await Promise.all(
        range(1, 5_000).map((n) => client.request(`long.${n % 7}`, new Uint8Array(), { timeout: 20_000 })),
      )
    }
    const all = follow(client, { at: 'all' }, 'long.*')
    const some = follow(client, { at: 'all' }, 'long.3')
    await all.says('Replay Live')
    await some.says('Replay Live')
    expect(all.seqs).toEqual(range(1, 5_000))
    expect(some.seqs).toHaveLength((5_000 / 7) | 0)
  }, 60_000)

  it('requests no more bytes of large messages than it delivers', async () => {
    const sent = async () => {
      const varz = nats && (await (await fetch(`${nats.monitorUrl}/varz`)).json())
      return { bytes: varz?.out_bytes ?? 0, cut: varz?.slow_consumers ?? 0 } as { bytes: number; cut: number }
    }
    await api.createStream({ name: 'LARGE', subjects: ['large'], storage: 'memory' })
    const payload = new Uint8Array(1_000_000)
    for (let i = 0; i < 40; i++) await client.request('large', payload, { timeout: 20_000 })
    const before = await sent()
    const all = follow(client, { at: 'all' }, 'large')
    await eventually(() => all.seqs.length === 40, { what: 'all of them', deadline: 30_000 })
    expect(all.seqs).toEqual(range(1, 40))
    all.end()
    const after = await sent()
    // A page without a limit in bytes would transfer 40 MB, then 39 MB, and so on.
    expect(after.bytes - before.bytes).toBeLessThan(3 * 40 * payload.length)
    expect(after.cut).toBe(before.cut)
  }, 60_000)

  it('a client that does not read a long backlog delays no other client, and receives all of it later', async () => {
    await api.createStream({ name: 'HEAVY', subjects: ['heavy'], storage: 'memory' })
    const payload = new Uint8Array(10_000)
    const store = (count: number) =>
      Promise.all(range(1, count).map(() => client.request('heavy', payload, { timeout: 20_000 })))
    // Twice the limit of unread bytes, so that the hub must pause the replay.
    for (let i = 0; i < 17; i++) await store(100)
    const slow = new WebSocket(`${server.url.replace('http', 'ws')}/nats`)
    const seqs: number[] = []
    const read = createServerReader({
      message: (_, { reply = '' }) => seqs.push(...[parseAckSubject(reply)?.seq ?? []].flat()),
      operation: (verb) => verb === 'PING' && slow.send(encodeFrame('PONG')),
    })
    slow.on('message', (data: Buffer) => void read(data))
    await once(slow, 'open')
    slow.send(encodeConnect({ verbose: false, headers: true, auth_token: await rootToken() }))
    slow.send(encodeSubscribe(encodeReplay({ at: 'all' }, 'heavy'), '1'))
    await eventually(() => seqs.length > 0)
    slow.pause()
    const live = follow(client, { at: 'new' }, 'heavy')
    await live.says('Replay Live')
    await store(200)
    await eventually(() => live.seqs.length === 200, { what: 'live events' })
    expect(live.seqs).toEqual(range(1_701, 1_900))
    expect(seqs.length).toBeLessThan(1_000)
    slow.resume()
    await eventually(() => seqs.length === 1_900, { what: 'the backlog', deadline: 20_000 })
    expect(seqs).toEqual(range(1, 1_900))
    slow.terminate()
    live.end()
  }, 60_000)
})
