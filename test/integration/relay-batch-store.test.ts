import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BatchStore } from '../../bridge/relay/batch-store.ts'
import { Fenced, Moved, type StoreItem } from '../../bridge/relay/store.ts'
import { prepareStream } from '../../bridge/relay/target-stream.ts'
import { JetStreamApi } from '../../sdk/jetstream/api.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import type { Transport } from '../../sdk/transport/transport.ts'
import { transportLink } from '../../sdk/transport/transport-link.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { type NatsServer, startNatsServer } from '../support/nats-server.ts'

let server: NatsServer
let transport: Transport
let api: JetStreamApi
beforeAll(async () => {
  server = await startNatsServer({ jetstream: true })
  transport = nats({ url: server.url })
  api = new JetStreamApi(transportLink(transport))
})
afterAll(async () => {
  await transport?.close()
  await server?.[Symbol.asyncDispose]()
})

const bytes = (text: string) => new TextEncoder().encode(text)
const hasBatches = () => Number(server.version.split('.')[1]) >= 12

let count = 0
/** A stream of a test's own, with stores of one lane by different processes. */
async function openStream(given: { readonly exclusive?: boolean; readonly over?: Transport } = {}) {
  const stream = `S${count++}`
  const config = { name: stream, subjects: [`${stream}.*`], retention: 'limits' }
  await api.createStream(config)
  const { mode, why } = await prepareStream(api, stream, stream)
  const item = (n: number, id: string | undefined = `m${n}`): StoreItem => ({
    subject: `${stream}.x`,
    payload: bytes(String(n)),
    headers: id === undefined ? [] : [['Nats-Msg-Id', id]],
    id,
  })
  const stop = new AbortController()
  const store = (owner: string, over: Transport = given.over ?? transport) =>
    new BatchStore(
      over,
      api,
      { stream, relay: stream, lane: 'a.b/0', owner, epoch: 'e', exclusive: given.exclusive ?? true, depth: 2 },
      { signal: stop.signal, waiting() {} },
    )
  const stored = async () => {
    const all: string[] = []
    const { lastSeq = 0 } = (await api.streamState(stream)) ?? {}
    for (let seq = 1; seq <= lastSeq; seq++) {
      const message = await api.message(stream, { seq })
      if (message?.subject === `${stream}.x`) all.push(new TextDecoder().decode(message.payload))
    }
    return all
  }
  return { stream, mode, why, item, store, stored, stop }
}

/** A transport whose first commit is carried out, and not answered. */
function losingFirstAnswer(): Transport {
  let lost = false
  return new Proxy(transport, {
    get(target, name) {
      const value = Reflect.get(target, name)
      if (name !== 'request') return typeof value === 'function' ? value.bind(target) : value
      return async (...args: Parameters<Transport['request']>) => {
        const answer = await target.request(...args)
        const isCommit = args[2].headers?.some(([header]) => header === 'Nats-Batch-Commit')
        if (lost || !isCommit) return answer
        lost = true
        throw new SpanwireError('timeout', 'The answer was lost.')
      }
    },
  })
}

describe('a lane stored in batches', () => {
  it('needs a server that has them, and returns the reason otherwise', async () => {
    const { mode, why } = await openStream()
    if (hasBatches()) expect([mode, why]).toEqual(['batches', undefined])
    else expect([mode, why]).toEqual(['ids', expect.stringContaining('nats-server')])
  })

  it('is not used on streams whose messages go by other rules', async () => {
    const stream = `S${count++}`
    await api.createStream({ name: stream, subjects: [`${stream}.*`], retention: 'workqueue' })
    expect((await prepareStream(api, stream, stream)).mode).toBe('ids')
  })

  it('continues from its checkpoint, and not from one of another topic', async ({ skip }) => {
    if (!hasBatches()) skip('this nats-server has no batches')
    const { item, store, stored, stream } = await openStream()
    const first = store('one')
    expect(await first.open()).toBeUndefined()
    await first.store({ items: [item(1), item(2)], position: 7 })
    await first.store({ items: [item(3)], position: 8 })
    expect(await store('two').open()).toBe(8)
    const target = { stream, relay: stream, lane: 'a.b/0', owner: 'x', epoch: 'other', exclusive: true, depth: 1 }
    const other = new BatchStore(transport, api, target, { signal: new AbortController().signal, waiting() {} })
    expect(await other.open()).toBeUndefined()
    expect(await stored()).toEqual(['1', '2', '3'])
  })

  it('keeps the order of parts that are stored at the same time, also when an answer is lost', async ({ skip }) => {
    if (!hasBatches()) skip('this nats-server has no batches')
    for (const exclusive of [true, false]) {
      const { item, store, stored } = await openStream({ exclusive, over: losingFirstAnswer() })
      const lane = store('one')
      await lane.open()
      const parts = [1, 3, 5, 7].map((n) => lane.store({ items: [item(n), item(n + 1)], position: n + 1 }))
      await Promise.all(parts)
      expect(await stored()).toEqual(['1', '2', '3', '4', '5', '6', '7', '8'])
    }
  })

  it('stores no part after one that is refused', async ({ skip }) => {
    if (!hasBatches()) skip('this nats-server has no batches')
    const { item, store, stored } = await openStream()
    const [first, second] = [store('one'), store('two')]
    await first.open()
    await first.store({ items: [item(1)], position: 1 })
    await second.open()
    await second.store({ items: [item(2)], position: 2 })
    const parts = [3, 4].map((n) => first.store({ items: [item(n)], position: n }))
    const results = await Promise.allSettled(parts)
    expect(results.map((one) => one.status === 'rejected' && one.reason instanceof Fenced)).toEqual([true, true])
    expect(await stored()).toEqual(['1', '2'])
  })

  it('is stored once when the answer to a batch is lost', async ({ skip }) => {
    if (!hasBatches()) skip('this nats-server has no batches')
    for (const exclusive of [true, false]) {
      const { item, store, stored } = await openStream({ exclusive, over: losingFirstAnswer() })
      const lane = store('one')
      await lane.open()
      await lane.store({ items: [item(1), item(2)], position: 1 })
      await lane.store({ items: [item(3)], position: 2 })
      expect(await stored()).toEqual(['1', '2', '3'])
    }
  })

  it('is closed to a relay that was thought dead', async ({ skip }) => {
    if (!hasBatches()) skip('this nats-server has no batches')
    const { item, store, stored } = await openStream()
    const zombie = store('zombie')
    await zombie.open()
    await zombie.store({ items: [item(1)], position: 1 })
    const heir = store('heir')
    await heir.open()
    await heir.store({ items: [item(2)], position: 2 })
    await expect(zombie.store({ items: [item(2, 'other'), item(3, 'another')], position: 3 })).rejects.toThrow(Fenced)
    expect(await stored()).toEqual(['1', '2'])
  })

  it('is read again by an heir, when the one before it stored one more part', async ({ skip }) => {
    if (!hasBatches()) skip('this nats-server has no batches')
    const { item, store, stored } = await openStream()
    const before = store('before')
    await before.open()
    await before.store({ items: [item(1)], position: 1 })
    const heir = store('heir')
    expect(await heir.open()).toBe(1)
    await before.store({ items: [item(2)], position: 2 })
    await expect(heir.store({ items: [item(2)], position: 2 })).rejects.toThrow(Moved)
    expect(await heir.open()).toBe(2)
    await heir.store({ items: [item(3)], position: 3 })
    expect(await stored()).toEqual(['1', '2', '3'])
  })

  it('drops messages that were stored before by their ids, alone or among others, and counts them', async ({
    skip,
  }) => {
    if (!hasBatches()) skip('this nats-server has no batches')
    for (const exclusive of [true, false]) {
      const { item, store, stored } = await openStream({ exclusive })
      const lane = store('one')
      await lane.open()
      expect(await lane.store({ items: [item(1), item(2)], position: undefined })).toEqual({ duplicates: 0 })
      expect(await lane.store({ items: [item(2), item(3), item(3)], position: undefined })).toEqual({ duplicates: 2 })
      expect(await lane.store({ items: [item(1), item(2)], position: undefined })).toEqual({ duplicates: 2 })
      expect(await stored()).toEqual(['1', '2', '3'])
    }
  })

  it('continues when the stream has lost its checkpoint', async ({ skip }) => {
    if (!hasBatches()) skip('this nats-server has no batches')
    const { item, store, stored, stream } = await openStream()
    const lane = store('one')
    await lane.open()
    await lane.store({ items: [item(1)], position: 1 })
    await transport.request(`$JS.API.STREAM.PURGE.${stream}`, bytes(`{"filter":"$SPANWIRE.RELAY.${stream}.*"}`), {
      timeout: 5_000,
    })
    await lane.store({ items: [item(2)], position: 2 })
    expect(await stored()).toEqual(['1', '2'])
  })

  it('waits while the stream is full, until it is stopped', async ({ skip }) => {
    if (!hasBatches()) skip('this nats-server has no batches')
    const { item, store, stored, stream, stop } = await openStream()
    const state = await api.streamState(stream)
    await api.updateStream({ ...state?.config, name: stream, max_msgs: 3, discard: 'new' })
    const lane = store('one')
    await lane.open()
    await lane.store({ items: [item(1)], position: 1 })
    const waiting = lane.store({ items: [item(2), item(3)], position: 3 })
    waiting.catch(() => {})
    expect(await stored()).toEqual(['1'])
    await api.updateStream({ ...state?.config, name: stream, max_msgs: 100, discard: 'new' })
    await waiting
    expect(await stored()).toEqual(['1', '2', '3'])
    await api.updateStream({ ...state?.config, name: stream, max_msgs: 5, discard: 'new' })
    const never = lane.store({ items: [item(4)], position: 4 })
    stop.abort()
    await expect(never).rejects.toMatchObject({ code: 'aborted' })
  })
})
