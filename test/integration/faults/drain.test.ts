import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { type BridgeServer, serve } from '../../../bridge/node.ts'
import { http } from '../../../sdk/http.ts'
import { connect, defineEvents, event, type Transport, webSocket } from '../../../sdk/index.ts'
import { nats } from '../../../sdk/nats.ts'
import { ensureStreams } from '../../../sdk/streams.ts'
import { type NatsServer, startNatsServer } from '../../support/nats-server.ts'
import { rootToken, SECRET } from '../../support/token.ts'

const events = defineEvents({
  'kept.{id}': event(z.object({ n: z.number() }), { stream: 'KEPT' }),
  'live.{id}': z.object({ n: z.number() }),
  'ask.{id}': event(z.object({}), { reply: z.object({ ok: z.boolean() }) }),
})
let server: NatsServer
let bridge: BridgeServer
let token: string
beforeAll(async () => {
  server = await startNatsServer({ jetstream: true })
  bridge = await serve({ upstream: server.url, auth: { secret: SECRET } })
  token = await rootToken()
  const transport = nats({ url: server.url })
  await ensureStreams(events, transport)
  await transport.close()
})
afterAll(async () => {
  await bridge?.close()
  await server?.[Symbol.asyncDispose]()
})
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const opened = async (transport: Transport) => {
  const bus = connect({ transport, events })
  await bus.flush()
  return bus
}

describe.each<[string, () => Transport]>([
  ['nats-server by WebSocket', () => webSocket({ url: server.wsUrl })],
  ['nats-server by TCP', () => nats({ url: server.url })],
  ['a bridge', () => webSocket({ url: bridge.url, token })],
])('drain at %s', (_, open) => {
  it('waits for acknowledgements of what was published before', async () => {
    const bus = await opened(open())
    const published = bus.publish('kept.{id}', { id: '1' }, { n: 1 }).then(
      () => 'stored',
      (error) => error.code,
    )
    await bus.drain()
    expect(await published).toBe('stored')
  })

  it('waits for acknowledgements of publishes that are under way', async () => {
    const bus = await opened(open())
    await bus.publish('kept.{id}', { id: '1' }, { n: 1 })
    const published = Array.from({ length: 200 }, (_, n) =>
      bus.publish('kept.{id}', { id: '1' }, { n }).then(
        () => 'stored',
        (error) => error.code,
      ),
    )
    await bus.drain()
    expect(new Set(await Promise.all(published))).toEqual(new Set(['stored']))
  })

  it('of a live event without a stream waits', async () => {
    const bus = await opened(open())
    const published = bus.publish('live.{id}', { id: '1' }, { n: 1 }).then(
      () => 'sent',
      (error) => error.code,
    )
    await bus.drain()
    expect(await published).toBe('sent')
  })

  it('answers the requests that it has', async () => {
    const bus = await opened(open())
    const asker = await opened(open())
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    const responder = bus.respond('ask.{id}', async () => {
      begin()
      await sleep(50)
      return { ok: true }
    })
    await responder.ready
    const answer = asker.request('ask.{id}', { id: '1' }, {}, { timeout: 1_000 }).catch((error) => error.code)
    await begun
    await bus.drain()
    expect(await answer).toEqual({ ok: true })
    await asker.close()
  })
})

it('flush resolves when a publish to a stream was sent, and the server has it', async () => {
  const sent: string[] = []
  const bus = await opened(
    webSocket({
      url: server.wsUrl,
      openSocket(url) {
        const socket = new WebSocket(url)
        const send = socket.send.bind(socket)
        socket.send = (bytes) => {
          sent.push(new TextDecoder().decode(bytes as Uint8Array))
          send(bytes)
        }
        return socket as never
      },
    }),
  )
  const published = bus.publish('kept.{id}', { id: '1' }, { n: 1 })
  await bus.flush()
  expect(sent.some((text) => text.includes('HPUB kept.1'))).toBe(true)
  const last = sent.findLastIndex((text) => text.includes('PING'))
  const hpub = sent.findIndex((text) => text.includes('HPUB kept.1'))
  expect(hpub).toBeLessThanOrEqual(last)
  await published
  await bus.close()
})

describe('HTTP', () => {
  it('drain sends what waits', async () => {
    const bus = connect({ transport: http({ url: bridge.url, token }), events })
    const published = bus.publish('live.{id}', { id: '1' }, { n: 1 }).then(
      () => 'sent',
      (error) => error.code,
    )
    await bus.drain()
    expect(await published).toBe('sent')
  })

  it('flush resolves when the server has what was published before', async () => {
    let answered = 0
    const slow = async (url: string, init: RequestInit) => {
      const response = await fetch(url, init)
      await sleep(100)
      answered++
      return response
    }
    const bus = connect({ transport: http({ url: bridge.url, token, fetch: slow }), events })
    const published = bus.publish('live.{id}', { id: '1' }, { n: 1 })
    await bus.flush()
    expect(answered).toBe(1)
    await published
    await bus.close()
  })
})
