/** `drain` of a bus on a real server. Acknowledgements and replies arrive on subscriptions, and drain waits for them. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { type Bus, connect, defineEvents, event, type Transport, webSocket } from '../../sdk/index.ts'
import { ensureStreams } from '../../sdk/streams/index.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { rootToken, SECRET } from '../support/token.ts'

const events = defineEvents({
  'kept.{id}': event(z.object({ n: z.number() }), { stream: 'KEPT' }),
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

describe.each<[string, () => Transport]>([
  ['nats-server by WebSocket', () => webSocket({ url: server.wsUrl })],
  ['nats-server by TCP', () => nats({ url: server.url })],
  ['a bridge', () => webSocket({ url: bridge.url, token })],
])('drain at %s', (_, open) => {
  const opened: Array<Bus<typeof events>> = []
  async function openBus() {
    const bus = connect({ transport: open(), events })
    opened.push(bus)
    await bus.flush()
    return bus
  }
  afterEach(() => Promise.all(opened.splice(0).map((bus) => bus.close())))

  it('waits for the acknowledgement of the first publish', async () => {
    const bus = await openBus()
    const published = bus.publish('kept.{id}', { id: '1' }, { n: 1 })
    await Promise.all([bus.drain(), expect(published).resolves.toMatchObject({ stream: 'KEPT' })])
  })

  it('waits for the acknowledgements of many pending publishes', async () => {
    const bus = await openBus()
    await bus.publish('kept.{id}', { id: '1' }, { n: 0 })
    const published = Promise.all(
      Array.from({ length: 200 }, (_, n) => bus.publish('kept.{id}', { id: '1' }, { n: n + 1 })),
    )
    await Promise.all([bus.drain(), expect(published).resolves.toHaveLength(200)])
  })

  it('answers pending requests', async () => {
    const [bus, asker] = [await openBus(), await openBus()]
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    await bus.respond('ask.{id}', async () => {
      begin()
      // Longer than the round trip of the flush before the transport closes.
      await new Promise((resolve) => setTimeout(resolve, 50))
      return { ok: true }
    }).ready
    const answer = asker.request('ask.{id}', { id: '1' }, {})
    await begun
    await Promise.all([bus.drain(), expect(answer).resolves.toEqual({ ok: true })])
  })
})
