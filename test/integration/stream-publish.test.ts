import { connect as dial, type NatsConnection } from 'nats'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { connect, defineEvents, event, type Transport, webSocket } from '../../sdk/index.ts'
import { http } from '../../sdk/transport/http/index.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { createRandom, seed } from '../support/seed.ts'
import { createToken, rootToken, SECRET } from '../support/token.ts'

const events = defineEvents({
  'acks.{id}': event(z.object({ n: z.number() }), { stream: 'ACKS' }),
  'full.{id}': event(z.object({ n: z.number() }), { stream: 'FULL' }),
  'kept.{id}.nowhere': event(z.object({ n: z.number() }), { stream: 'NONE' }),
})

let server: NatsServer
let bridge: BridgeServer
let admin: NatsConnection
let token: string

beforeAll(async () => {
  server = await startNatsServer({ jetstream: true })
  bridge = await serve({ upstream: server.url, auth: { secret: SECRET } })
  admin = await dial({ servers: server.url })
  token = await rootToken()
})
afterAll(async () => {
  await admin?.close()
  await bridge?.close()
  await server?.[Symbol.asyncDispose]()
})

beforeEach(async () => {
  const { streams } = await admin.jetstreamManager()
  for (const name of ['ACKS', 'FULL']) await streams.delete(name).catch(() => {})
  await streams.add({ name: 'ACKS', subjects: ['acks.*'], num_replicas: 1 })
  await streams.add({ name: 'FULL', subjects: ['full.*'], max_msgs: 1, discard: 'new' as never })
})

const routes: Record<string, () => Transport> = {
  'a plain nats-server by WebSocket': () => webSocket({ url: server.wsUrl }),
  'a plain nats-server by TCP': () => nats({ url: server.url }),
  // With permission for these subjects only: the query for a stored event must pass.
  'the bridge by WebSocket': () =>
    webSocket({ url: bridge.url, token: () => createToken({ pub: { allow: ['acks.>', 'full.>', 'kept.>'] } }) }),
  'the bridge by HTTP': () => http({ url: bridge.url, token }),
}
const busOver = (transport: Transport) => connect({ events, transport })

async function stored(): Promise<Array<{ n: number; id: string; seq: number }>> {
  const { streams } = await admin.jetstreamManager()
  const { last_seq } = (await streams.info('ACKS')).state
  const messages = await Promise.all(
    Array.from({ length: last_seq }, (_, i) => streams.getMessage('ACKS', { seq: i + 1 })),
  )
  return messages.map((message) => ({
    n: message.json<{ n: number }>().n,
    id: message.header.get('Nats-Msg-Id'),
    seq: message.seq,
  }))
}

describe.each(Object.entries(routes))('through %s', (route, open) => {
  it('resolves with the ack, in order, pipelined from the first on', async () => {
    await using bus = busOver(open())
    const acks = await Promise.all(
      Array.from({ length: 50 }, (_, n) => bus.publish('acks.{id}', { id: 'a' }, { n }, { id: `${n}` })),
    )
    expect(acks.map(({ seq }) => seq).sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1))
    expect(new Set(acks.map(({ stream, duplicate }) => `${stream} ${duplicate}`))).toEqual(new Set(['ACKS false']))
    // HTTP requests may arrive in any order.
    if (!route.includes('HTTP')) expect(acks.map(({ seq }) => seq)).toEqual(acks.map((_, i) => i + 1))
    expect(await bus.publish('acks.{id}', { id: 'a' }, { n: 0 }, { id: '7' })).toEqual({
      stream: 'ACKS',
      seq: acks[7]?.seq,
      duplicate: true,
    })
  })

  it('expectations hold or reject', async () => {
    await using bus = busOver(open())
    const wrong = { code: 'wrong-last-sequence' }
    expect(await bus.publish('acks.{id}', { id: 'a' }, { n: 1 }, { expectLastSubjectSeq: 0 })).toMatchObject({ seq: 1 })
    await expect(bus.publish('acks.{id}', { id: 'a' }, { n: 2 }, { expectLastSubjectSeq: 0 })).rejects.toMatchObject(
      wrong,
    )
    expect(await bus.publish('acks.{id}', { id: 'b' }, { n: 2 }, { expectLastSeq: 1 })).toMatchObject({ seq: 2 })
    await expect(bus.publish('acks.{id}', { id: 'b' }, { n: 3 }, { expectLastSeq: 1 })).rejects.toMatchObject(wrong)
    expect((await stored()).map(({ n }) => n)).toEqual([1, 2])
  })

  it('reports refusals of the stream', async () => {
    await using bus = busOver(open())
    await bus.publish('full.{id}', { id: 'a' }, { n: 1 })
    await expect(bus.publish('full.{id}', { id: 'a' }, { n: 2 })).rejects.toMatchObject({ code: 'stream-refused' })
  })

  it('a retry after a lost acknowledgement returns the stored sequence, and stores no second event', async () => {
    const transport = open()
    const lossy: Transport = Object.create(transport, {
      edge: { get: () => transport.edge },
      status: { get: () => transport.status },
      ...Object.fromEntries(
        (['onStatus', 'publish', 'subscribe', 'flush', 'drain', 'close'] as const).map((name) => [
          name,
          { value: (...args: never[]) => (transport[name] as (...args: never[]) => unknown)(...args) },
        ]),
      ),
    })
    let losses = 0
    lossy.request = async (...args) => {
      const answer = await transport.request(...args)
      if (losses++ === 0) throw new SpanwireError('connection-lost', 'a test loses the answer')
      return answer
    }
    await using bus = busOver(lossy)
    await admin.request('acks.a', '{"n":0}')
    for (const [n, options] of [
      [1, { expectLastSubjectSeq: 1 }],
      [2, { expectLastSeq: 2 }],
      [3, {}],
    ] as const) {
      losses = 0
      expect(await bus.publish('acks.{id}', { id: 'a' }, { n }, options)).toEqual({
        stream: 'ACKS',
        seq: n + 1,
        duplicate: true,
      })
    }
    // Another publisher was first. The retry must not return its sequence.
    losses = 0
    await expect(bus.publish('acks.{id}', { id: 'a' }, { n: 9 }, { expectLastSubjectSeq: 1 })).rejects.toMatchObject({
      code: 'wrong-last-sequence',
    })
    // A probe of an empty stream must not store an event.
    const { streams } = await admin.jetstreamManager()
    await streams.purge('ACKS')
    await expect(
      bus.publish('acks.{id}', { id: 'new' }, { n: 9 }, { expectLastSubjectSeq: 5, id: 'mine' }),
    ).rejects.toMatchObject({ code: 'wrong-last-sequence' })
    expect((await streams.info('ACKS')).state.messages).toBe(0)
  })
})

// Side by side: each takes as long as the election of a leader may take.
describe.concurrent('a missing stream', () => {
  it.each(Object.entries(routes))(
    'is reported through %s',
    async (_, open) => {
      await using bus = busOver(open())
      const published = bus.publish('kept.{id}.nowhere', { id: 'a' }, { n: 1 })
      await expect(published).rejects.toMatchObject({ code: 'stream-not-found' })
    },
    30_000,
  )
})

describe('a network that cuts', () => {
  const routes = [
    ['a plain nats-server', () => server.wsPort, (port: number) => `ws://127.0.0.1:${port}`],
    ['the bridge', () => bridge.port, (port: number) => `http://127.0.0.1:${port}`],
  ] as const
  // The second and the third seed once stored events before others that a cut had lost.
  const seeds = [seed, 906_220_397, 1]
  it.each(routes.flatMap(([name, ...route]) => seeds.map((own) => [name, own, ...route] as const)))(
    '%s: stores each event once, in order, and acknowledges its sequence (seed %i)',
    async (_, own, target, url) => {
      await using proxy = await startFaultProxy(target())
      const offline = { maxMessages: 5_000 }
      await using bus = connect({ url: url(proxy.port), token, events, backoff: { first: 20, longest: 50 }, offline })
      const acks: Array<Promise<{ seq: number }>> = []
      console.log(`SPANWIRE_SEED=${own}`)
      const random = createRandom(own)
      for (let n = 0; n < 400; n++) {
        acks.push(bus.publish('acks.{id}', { id: `${n % 3}` }, { n }, { id: `cut${n}` }))
        if (n % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 1 + random() * 4))
        if (random() < 0.06) proxy.cut()
      }
      const seqs = (await Promise.all(acks)).map(({ seq }) => seq)
      const kept = await stored()
      expect(kept.length).toBe(400)
      expect(new Set(kept.map(({ n }) => n)).size).toBe(400)
      // A batch is lost or stored as a whole, so the order is kept.
      expect(kept.map(({ n }) => n)).toEqual(Array.from({ length: 400 }, (_, n) => n))
      expect(seqs).toEqual(kept.map(({ seq }) => seq))
      expect(proxy.accepted).toBeGreaterThan(3)
    },
    60_000,
  )
})
