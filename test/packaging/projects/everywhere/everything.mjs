// Uses the package in the current runtime without nats-server, and prints the results.
import { connect, defineEvents, event, webSocket } from 'spanwire'
import { signToken } from 'spanwire/auth'
import { serve } from 'spanwire/bridge/RUNTIME'
import { http } from 'spanwire/http'
import { nats } from 'spanwire/nats'
import { encodeHeaders } from 'spanwire/protocol'
import { eventsStore } from 'spanwire/store'
import { ensureStreams } from 'spanwire/streams'
import { createTestBridge } from 'spanwire/testing'
import { z } from 'zod'

const events = defineEvents({
  'ticks.{id}': z.object({ n: z.number() }),
  'sums.{id}': event(z.object({ n: z.number() }), { reply: z.object({ sum: z.number() }) }),
  'orders.{id}': event(z.object({ n: z.number() }), { stream: 'ORDERS' }),
})
const secret = 'a secret of at least thirty-two bytes'
const everything = { allow: ['>'], deny: [] }
const server = await serve({
  upstream: 'embedded',
  auth: { secret, anonymous: { publish: everything, subscribe: everything } },
})
const token = () =>
  signToken({ secret, user: 'ada', events, publish: [{ filter: '>' }], subscribe: [{ filter: '>' }], expiresIn: 60 })
const result = {}

const bus = connect({ url: server.url, events, token })
const live = Promise.withResolvers()
await bus.on('ticks.{id}', (e) => live.resolve(`${e.params.id} ${e.data.n}`)).ready
const edge = connect({ transport: http({ url: server.url, token }), events })
await edge.publish('ticks.{id}', { id: 'a' }, { n: 42 })
result.live = await live.promise

const wire = webSocket({ url: server.url, token })
await ensureStreams(events, wire)
await wire.close()
const { seq } = await bus.publish('orders.{id}', { id: 'x' }, { n: 1 })
const replayed = Promise.withResolvers()
bus.on('orders.{id}', (e) => replayed.resolve(e.seq), { from: 'all' })
result.replayed = [seq, await replayed.promise]

await bus.respond('sums.{id}', (e) => ({ sum: e.data.n + 1 })).ready
result.answer = await bus.request('sums.{id}', { id: 'x' }, { n: 1 })

const room = await bus.presence('room')
await room.join({ mood: 'fine' })
await until(() => room.members.size === 1)
result.present = [...room.members.values()].map(({ user, state }) => [user, state])

const store = eventsStore(bus, 'ticks.{id}')
const stop = store.subscribe(() => {})
await until(() => store.getSnapshot().ready)
await bus.publish('ticks.{id}', { id: 'b' }, { n: 7 })
await until(() => store.getSnapshot().events.length === 1)
result.stored = store.getSnapshot().events[0].data
stop()

const wrong = connect({ url: server.url, events, token: 'not a token' })
result.refused = await wrong.publish('ticks.{id}', { id: 'a' }, { n: 1 }).then(String, (error) => error.code)
await bus.close()
await server.close()

const bridge = createTestBridge({ clock: 'fake' })
const phone = bridge.connect({ events, as: { user: 'ada' } })
await phone.on('ticks.{id}', (e) => (result.tested = e.data.n)).ready
bridge.partition()
await bridge.clock.advance(60_000)
const away = phone.status.current.state
bridge.heal()
await bridge.clock.advance(20_000)
await phone.publish('ticks.{id}', { id: 'c' }, { n: 9 })
await bridge.settle()
result.tested = [away, phone.status.current.state, result.tested]
await bridge.close()

// The package `nats` is not installed here, which must be reported.
const direct = nats({ url: 'nats://127.0.0.1:9' })
await until(() => direct.status.reason)
result.withoutNats = direct.status.reason.code
await direct.close()
const byUrl = connect({ url: 'nats://127.0.0.1:9', events })
await until(() => byUrl.status.current.reason)
result.withoutNats = [result.withoutNats, byUrl.status.current.reason.code]
await byUrl.close()
result.protocol = new TextDecoder().decode(encodeHeaders([['A', 'b']])).length
console.log(JSON.stringify(result))

async function until(holds) {
  for (let i = 0; i < 500 && !holds(); i++) await new Promise((resolve) => setTimeout(resolve, 10))
}
