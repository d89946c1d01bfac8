import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { freePort } from '../../demo/setup/free-port.ts'
import { coreOf } from '../support/hub-core.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { SseReader } from '../support/sse-reader.ts'
import { rootToken, SECRET } from '../support/token.ts'

let nats: NatsServer
let port: number
let server: BridgeServer
let authorization: { Authorization: string }

const start = async () => {
  server = await serve({ port, upstream: nats.url, auth: { secret: SECRET } })
  await server.bridge.hub.opened
}
const publish = async (from: number, to: number, name = 'orders') => {
  for (let n = from; n <= to; n++) {
    const answer = await fetch(`${server.url}/publish/${name}.${n % 2}`, {
      method: 'POST',
      headers: authorization,
      body: JSON.stringify({ n }),
    })
    expect(answer.status).toBe(200)
  }
}

beforeAll(async () => {
  nats = await startNatsServer({ jetstream: true })
  port = await freePort()
  await start()
  authorization = { Authorization: `Bearer ${await rootToken()}` }
  const api = coreOf(server.bridge.hub).jetstream
  await api.createStream({ name: 'ORDERS', subjects: ['orders.*'], storage: 'memory' })
  await api.createStream({ name: 'CHAT', subjects: ['chat.*'], storage: 'memory' })
})
afterAll(async () => {
  await server.close()
  await nats[Symbol.asyncDispose]()
})

describe('GET /events', () => {
  it('with ordered=true delivers several subjects in the order of the stream, and resumes them by one id', async () => {
    await publish(1, 6, 'chat')
    const open = async (id?: string) =>
      new SseReader(
        await fetch(`${server.url}/events?subject=chat.1&subject=chat.0&ordered=true&from=all`, {
          headers: { ...authorization, ...(id !== undefined && { 'Last-Event-ID': id }) },
        }),
      )
    const read = async (reader: SseReader, count: number) => {
      const got: Array<readonly [n: number, id: string | undefined]> = []
      while (got.length < count) {
        const { event, data, id } = await reader.next()
        if (event === 'message') got.push([JSON.parse(data).data.n, id])
      }
      return got
    }
    const first = await open()
    if (nats.version.startsWith('2.9.')) {
      const { event, data } = await first.next()
      expect([event, JSON.parse(data).code]).toEqual(['error', 'request-refused'])
      expect(data).toContain('nats-server 2.10')
    } else {
      const got = await read(first, 4)
      expect(got.map(([n]) => n)).toEqual([1, 2, 3, 4])
      await first.cancel()
      await publish(7, 8, 'chat')
      const second = await open(got.at(-1)?.[1])
      expect((await read(second, 4)).map(([n]) => n)).toEqual([5, 6, 7, 8])
      await second.cancel()
    }
    await coreOf(server.bridge.hub).jetstream.deleteStream('CHAT')
    await coreOf(server.bridge.hub).jetstream.createStream({ name: 'CHAT', subjects: ['chat.*'], storage: 'memory' })
  })

  it('replays, continues live, and resumes all subjects by one id after a restart of the bridge', async () => {
    await publish(1, 10)
    await publish(1, 5, 'chat')
    const open = async (id?: string) =>
      new SseReader(
        await fetch(`${server.url}/events?subject=orders.*&subject=chat.*&from=all`, {
          headers: { ...authorization, ...(id !== undefined && { 'Last-Event-ID': id }) },
        }),
      )
    const got: string[] = []
    let last: string | undefined
    const read = async (reader: SseReader, count: number) => {
      while (got.length < count) {
        const { event, data, id } = await reader.next()
        last = id ?? last
        const { subject, seq } = JSON.parse(data)
        if (event === 'message') got.push(`${subject.split('.')[0]} ${seq}`)
      }
    }
    const first = await open()
    await read(first, 15)
    await publish(11, 12)
    await read(first, 17)
    await server.close()
    await first.cancel()
    await start()
    await publish(13, 20)
    await publish(6, 8, 'chat')
    const second = await open(last)
    await read(second, 28)
    await second.cancel()
    const of = (name: string) => got.filter((text) => text.startsWith(name)).map((text) => Number(text.split(' ')[1]))
    expect(of('orders')).toEqual(Array.from({ length: 20 }, (_, index) => index + 1))
    expect(of('chat')).toEqual(Array.from({ length: 8 }, (_, index) => index + 1))
  }, 60_000)
})

it('GET /history returns pages without gaps or repetitions', async () => {
  const seqs: number[] = []
  let from = 's1'
  for (let pages = 0; pages < 10; pages++) {
    const answer = await fetch(`${server.url}/history/orders.*?from=${from}&limit=7`, { headers: authorization })
    expect(answer.status).toBe(200)
    const page = (await answer.json()) as { messages: Array<{ seq: number }>; next: number; complete: boolean }
    seqs.push(...page.messages.map(({ seq }) => seq))
    if (page.complete || page.messages.length === 0) break
    from = `s${page.next}`
  }
  expect(seqs).toEqual(Array.from({ length: 20 }, (_, index) => index + 1))
})

it('POST /publish returns the acknowledgement, and the same one for the same key', async () => {
  const post = () =>
    fetch(`${server.url}/publish/chat.7`, {
      method: 'POST',
      headers: { ...authorization, 'Idempotency-Key': 'once' },
      body: '{}',
    }).then((answer) => answer.json())
  expect(await post()).toEqual({ stream: 'CHAT', seq: 9, duplicate: false })
  expect(await post()).toEqual({ stream: 'CHAT', seq: 9, duplicate: true })
})
