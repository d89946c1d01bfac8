import { connect as connectNats } from 'nats'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEvents, event } from '../../sdk/index.ts'
import { ensureStreams, planStreams, type StreamOptions } from '../../sdk/streams/index.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import type { Transport } from '../../sdk/transport/transport.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'

let server: NatsServer
let transport: Transport
const data = z.object({})
const shop = defineEvents({
  'shop.{id}.created': event(data, { stream: 'SHOP' }),
  'shop.{id}.{what}': event(data, { stream: 'SHOP' }),
  'logs.{path...}': event(data, { stream: 'LOGS' }),
  'ping.{id}': data,
})

beforeAll(async () => {
  server = await startNatsServer({ jetstream: true })
  transport = nats({ url: server.url })
})
afterAll(async () => {
  await transport.close()
  await server[Symbol.asyncDispose]()
})

const infoOf = async (name: string) => {
  const connection = await connectNats({ servers: server.url })
  const info = await (await connection.jetstreamManager()).streams.info(name)
  await connection.close()
  return info
}

it('creates the streams of a contract once', async () => {
  const made = await ensureStreams(shop, transport, {
    defaults: { maxAge: 60_000 },
    streams: { LOGS: { maxMessages: 5 } },
  })
  expect(made.map(({ stream, did }) => [stream, did])).toEqual([
    ['SHOP', 'created'],
    ['LOGS', 'created'],
  ])
  const { config } = await infoOf('SHOP')
  expect(config.subjects).toEqual(['shop.*.*'])
  expect(config.max_age).toBe(60_000_000_000)
  expect((await infoOf('LOGS')).config).toMatchObject({ subjects: ['logs.>'], max_msgs: 5 })
  const again = await ensureStreams(shop, transport, { defaults: { maxAge: 60_000 } })
  expect(again.map(({ did }) => did)).toEqual(['unchanged', 'unchanged'])
})

it('refuses options of a stream that no event names', async () => {
  await expect(ensureStreams(shop, transport, { streams: { LOG: { maxMessages: 5 } } })).rejects.toMatchObject({
    code: 'invalid-argument',
    message: expect.stringContaining('The contract has no stream LOG. Its streams are: SHOP, LOGS.'),
  })
})

it('refuses schedules that would be lost, or delivered as events', async () => {
  const wide = defineEvents({ '{a}.{b}.{c}': event(data, { stream: 'WIDE' }) })
  for (const [contract, more, text] of [
    [wide, {}, 'The stream WIDE cannot have schedules, because *.*.* would match them'],
    [shop, { retention: 'interest' }, 'it has the retention `interest`, which drops them'],
  ] as const)
    await expect(planStreams(contract, transport, { defaults: { schedules: true, ...more } })).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringContaining(text),
    })
  const unstored = defineEvents({ 'ping.{id}': event(data, { ttl: 5_000 }) })
  await expect(planStreams(unstored, transport)).rejects.toMatchObject({ code: 'invalid-argument' })
})

it('derives time to live and markers from the contract', async () => {
  const timed = defineEvents(
    { 'a.{id}': event(data, { ttl: 90_000 }), 'b.{id}': event(data, { ttl: 2_500 }) },
    { stream: 'T' },
  )
  const configOf = async (defaults: StreamOptions) => (await planStreams(timed, transport, { defaults }))[0]?.after
  const on = { allow_msg_ttl: true, allow_rollup_hdrs: true }
  expect(await configOf({})).toMatchObject({ ...on, subject_delete_marker_ttl: 2_000_000_000 })
  expect(await configOf({ maxMessagesPerSubject: 1 })).toMatchObject({
    ...on,
    subject_delete_marker_ttl: 60_000_000_000,
  })
  expect(await configOf({ removalMarkers: 9_000 })).toMatchObject({ ...on, subject_delete_marker_ttl: 9_000_000_000 })
})

it('adds subjects and keeps other settings', async () => {
  const more = defineEvents({ 'shop.{id}.{what}.late': event(data, { stream: 'SHOP' }) })
  const [change] = await ensureStreams(more, transport)
  expect(change).toMatchObject({ did: 'updated', changes: ['subjects'] })
  expect((await infoOf('SHOP')).config).toMatchObject({
    subjects: ['shop.*.*', 'shop.*.*.late'],
    max_age: 60_000_000_000,
  })
})

it('refuses changes that lose data, names them, and applies them with `destructive`', async () => {
  const lower = { streams: { SHOP: { maxAge: 1_000 }, LOGS: { maxMessages: 4 } } }
  const connection = await connectNats({ servers: server.url })
  const stream = connection.jetstream()
  for (let n = 0; n < 5; n++) await stream.publish('logs.a', '{}')
  await connection.close()
  await expect(ensureStreams(shop, transport, lower)).rejects.toMatchObject({
    code: 'stream-conflict',
    message: expect.stringContaining('max_age goes down'),
  })
  expect((await infoOf('LOGS')).config.max_msgs).toBe(5)
  await ensureStreams(shop, transport, { ...lower, destructive: true })
  const { config, state } = await infoOf('LOGS')
  expect([config.max_msgs, state.messages]).toEqual([4, 4])
  expect((await infoOf('SHOP')).config.subjects).toEqual(['shop.*.*'])
})

it('reports refusals of JetStream', async () => {
  await expect(ensureStreams(shop, transport, { defaults: { storage: 'memory' } })).rejects.toMatchObject({
    code: 'stream-conflict',
    message: expect.stringContaining('storage'),
  })
  const thief = defineEvents({ 'shop.{id}.stolen': event(data, { stream: 'THIEF' }) })
  await expect(ensureStreams(thief, transport)).rejects.toMatchObject({
    code: 'stream-conflict',
    message: expect.stringContaining('overlap'),
  })
})

it('reports that JetStream is off', async () => {
  await using plain = await startNatsServer()
  const other = nats({ url: plain.url })
  await expect(ensureStreams(shop, other)).rejects.toMatchObject({ code: 'stream-not-found' })
  await other.close()
})
