import { afterAll, beforeAll, expect, it } from 'vitest'
import * as z from 'zod'
import { type BridgeServer, serve } from '../../../bridge/node.ts'
import { http } from '../../../sdk/http.ts'
import { connect, defineEvents, event, type Transport, webSocket } from '../../../sdk/index.ts'
import { nats } from '../../../sdk/nats.ts'
import { type NatsServer, startNatsServer } from '../../support/nats-server.ts'
import { rootToken, SECRET } from '../../support/token.ts'

const events = defineEvents({ 'ask.{id}': event(z.object({}), { reply: z.object({ ok: z.boolean() }) }) })
let server: NatsServer
let bridge: BridgeServer
let token: string
beforeAll(async () => {
  server = await startNatsServer()
  bridge = await serve({ upstream: server.url, auth: { secret: SECRET } })
  token = await rootToken()
})
afterAll(async () => {
  await bridge?.close()
  await server?.[Symbol.asyncDispose]()
})

it.each<[string, () => Transport, unknown]>([
  ['nats-server by WebSocket', () => webSocket({ url: server.wsUrl }), { ok: true }],
  ['nats-server by TCP', () => nats({ url: server.url }), { ok: true }],
  // The bridge has a limit, and says so.
  ['HTTP', () => http({ url: bridge.url, token }), 'invalid-argument'],
])('a request without a limit of time waits: %s', async (_, open, expected) => {
  const responder = connect({ transport: nats({ url: server.url }), events })
  await responder.respond('ask.{id}', async () => {
    await new Promise((resolve) => setTimeout(resolve, 200))
    return { ok: true }
  }).ready
  const bus = connect({ transport: open(), events })
  const answer = bus.request('ask.{id}', { id: '1' }, {}, { timeout: Number.POSITIVE_INFINITY })
  expect(await answer.catch((error) => error.code)).toEqual(expected)
  await bus.close()
  await responder.close()
})
