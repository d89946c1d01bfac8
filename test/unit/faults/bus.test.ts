import { afterEach, describe, expect, it, vi } from 'vitest'
import * as z from 'zod'
import { createTestBridge } from '../../../bridge/testing.ts'
import { consume } from '../../../sdk/consumer.ts'
import { connect, defineEvents, event, type Gap } from '../../../sdk/index.ts'
import { nats } from '../../../sdk/nats.ts'
import { openPresence } from '../../../sdk/presence/presence.ts'
import { keyOfData } from '../../../sdk/react/key.ts'
import { publishAcked } from '../../../sdk/stream/publish.ts'
import { createRequester } from '../../../sdk/transport/requester.ts'
import { createMemoryTransport } from '../sdk/memory-transport.ts'
import { createScriptedEdge } from '../sdk/scripted-edge.ts'

const events = defineEvents({
  'live.{id}': z.object({}),
  'kept.{id}': event(z.object({ id: z.number() }), { stream: 'S' }),
})
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
afterEach(() => void vi.restoreAllMocks())

describe('conflate', () => {
  it('who unsubscribes hears of no end', async () => {
    const bus = connect({ url: 'ws://127.0.0.1:1', events })
    const ends: Error[] = []
    const handle = bus.on('live.{id}', () => {}, { conflate: true, onEnd: (error) => ends.push(error) })
    await sleep(50)
    handle.unsubscribe()
    await sleep(50)
    await bus.close()
    await sleep(50)
    expect(ends).toEqual([])
  })

  it('drain ends while there is no connection yet', async () => {
    const bus = connect({ url: 'ws://127.0.0.1:1', events })
    bus.on('live.{id}', () => {}, { conflate: true })
    const drained = await Promise.race([bus.drain().then(() => 'drained'), sleep(1_000).then(() => 'hangs')])
    await bus.close()
    expect(drained).toBe('drained')
  })

  it('the same without conflate', async () => {
    const bus = connect({ url: 'ws://127.0.0.1:1', events })
    bus.on('live.{id}', () => {})
    const drained = await Promise.race([bus.drain().then(() => 'drained'), sleep(1_000).then(() => 'hangs')])
    await bus.close()
    expect(drained).toBe('drained')
  })
})

it('onGap: undefined means the one of connect, for a stream too', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  const edge = createScriptedEdge()
  const gaps: Gap[] = []
  const bus = connect({ transport: edge.transport, events, onGap: (gap) => gaps.push(gap) })
  edge.publish('kept.1', 1)
  bus.on('kept.{id}', () => {}, { from: 'all', onGap: undefined })
  await sleep(50)
  while (edge.deliver());
  edge.recreate()
  while (edge.deliver());
  expect(gaps).toEqual([expect.objectContaining({ reason: 'recreated' })])
  expect(warn).not.toHaveBeenCalled()
})

it('a consumer that would begin at no time is refused', async () => {
  await using bridge = createTestBridge()
  await bridge.ensureStreams(events)
  const transport = bridge.transport()
  const begin = async () => {
    const options = { consumer: 'w', from: { time: Number.NaN }, onEnd: () => {} }
    await consume(events, transport, 'kept.{id}', () => {}, options).ready
  }
  expect(
    await Promise.race([
      begin().then(
        () => 'ready',
        (error) => error.code,
      ),
      sleep(3_000).then(() => 'hangs'),
    ]),
  ).toBe('invalid-argument')
})

it('nats() refuses what is no URL as documented', () => {
  expect(() => nats({ url: '127.0.0.1:4222' })).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
})

it.each(['a*b', '*b', 'a>', '>b'])('a param that holds a wildcard is refused: %s', async (id) => {
  const bus = connect({ transport: createMemoryTransport(), events })
  await expect(bus.publish('live.{id}', { id }, {})).rejects.toMatchObject({ code: 'invalid-params' })
})

describe('timeouts beyond what a timer can wait', () => {
  it('a request waits', async () => {
    const transport = createMemoryTransport()
    const request = createRequester(transport)
    const answer = request('live.1', new Uint8Array(), { timeout: Number.POSITIVE_INFINITY })
    const first = await Promise.race([answer.catch((error) => error.code), sleep(100).then(() => 'waits')])
    expect(first).toBe('waits')
  })

  it('a publish to a stream does not spin while offline', async () => {
    const transport = createMemoryTransport()
    const away = { ...transport, status: { state: 'reconnecting' as const } }
    let attempts = 0
    const request = createRequester({ ...away, publish: () => new Promise<void>(() => void attempts++) })
    const over = new AbortController()
    const options = { timeout: Number.POSITIVE_INFINITY, signal: over.signal }
    const done = publishAcked({ ...away, request }, 'kept.1', new Uint8Array(), [], options).catch(() => {})
    await sleep(300)
    over.abort()
    await done
    expect(attempts).toBe(1)
  })
})

describe('presence', () => {
  it('a state that is refused leaves the one before, which can be left', async () => {
    await using bridge = createTestBridge()
    const bus = bridge.connect({ events, as: { user: 'ada' } })
    const other = bridge.connect({ events, as: { user: 'bob' } })
    const room = await bus.presence('room.1')
    const seen = await other.presence('room.1')
    await room.join({ mood: 'fine' })
    await sleep(300)
    expect(seen.members.size).toBe(1)
    await expect(room.join('x'.repeat(5_000))).rejects.toThrow()
    await room.leave()
    await sleep(300)
    expect(seen.members.size).toBe(0)
  })

  it('a list that a lost connection cut short is forgotten', async () => {
    const edge = createMemoryTransport()
    const transport = { ...edge, edge: true, publish: async () => {} }
    const statuses = new Set<(status: { state: 'open' | 'reconnecting' }) => void>()
    const opening = openPresence(
      {
        ...transport,
        onStatus(listener) {
          statuses.add(listener)
          return () => void statuses.delete(listener)
        },
      },
      'room.1',
    )
    const say = (members: string[], more: boolean) =>
      edge.deliver({
        subject: '$EDGE.PRESENCE.room.1',
        payload: new TextEncoder().encode(
          JSON.stringify({ kind: 'members', you: 'me', more, members: members.map((id) => ({ id, user: id })) }),
        ),
      })
    say(['gone'], true)
    for (const state of ['reconnecting', 'open'] as const) for (const tell of statuses) tell({ state })
    say(['here'], false)
    const room = await opening
    expect([...room.members.keys()]).toEqual(['here'])
  })

  it('another state is another key', () => {
    expect(keyOfData({ mark: '*' })).not.toBe(keyOfData({}))
  })
})
