import { connect as connectNats, type NatsConnection } from 'nats'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { connect, defineEvents } from '../../sdk/index.ts'
import { eventually } from '../support/eventually.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'
import { startWorkerd, type Workerd } from '../support/workerd-process.ts'

let server: NatsServer
let worker: Workerd
let service: NatsConnection

// In workerd itself: what Wrangler's harness runs can't open a WebSocket to the outside.
beforeAll(async () => {
  server = await startNatsServer()
  service = await connectNats({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 })
  worker = await startWorkerd({
    main: 'test/bench/peers/spanwire-worker.ts',
    className: 'SpanwireHub',
    binding: 'HUB',
    vars: { UPSTREAM_URL: server.wsUrl },
  })
}, 60_000)

afterAll(async () => {
  await service?.close()
  await worker?.[Symbol.asyncDispose]()
  await server?.[Symbol.asyncDispose]()
})

const events = defineEvents({ 'ticks.{name}': z.object({ at: z.number() }) })

it('a hub reaches NATS by WebSocket, all comes in order, and it outlives an outage', async () => {
  await using bus = connect({ url: worker.url, events })
  const states: string[] = []
  bus.status.subscribe(({ state }) => states.push(state))
  const heard: number[] = []
  await bus.on('ticks.{name}', ({ data }) => heard.push(data.at)).ready
  const publish = (from: number, to: number) => {
    for (let at = from; at < to; at++) service.publish('ticks.a', JSON.stringify({ at }))
  }
  publish(0, 5_000)
  await eventually(() => heard.length === 5_000, { what: 'all of them' })

  await server.restart()
  await eventually(() => states.includes('reconnecting') && bus.status.current.state === 'open', {
    what: 'the way back',
    deadline: 20_000,
  })
  publish(5_000, 6_000)
  await eventually(() => heard.length === 6_000, { what: 'what came after the outage' })
  expect(heard).toEqual(Array.from({ length: 6_000 }, (_, at) => at))

  await bus.publish('ticks.{name}', { name: 'b' }, { at: 6_000 })
  await eventually(() => heard.at(-1) === 6_000, { what: 'its own' })
}, 60_000)
