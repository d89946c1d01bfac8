import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { createTestBridge } from '../../../../bridge/testing/index.ts'
import { consume, setPartitions } from '../../../../sdk/consumer/index.ts'
import { defineEvents } from '../../../../sdk/index.ts'
import { JetStreamApi } from '../../../../sdk/jetstream/api.ts'
import { transportLink } from '../../../../sdk/transport/transport-link.ts'

const events = defineEvents({ 'jobs.{id}': z.object({ n: z.number() }) }, { stream: 'JOBS' })
const options = { consumer: 'w', ordered: 'id', partitions: 6 } as const
const SUBJECT = '$SPANWIRE.CONSUMER.JOBS.w.1'
const text = (value: unknown) => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))

async function createGroup() {
  const bridge = createTestBridge({ clock: 'fake' })
  await bridge.ensureStreams(events)
  const service = bridge.service({ events })
  const transport = bridge.transport()
  const handled: string[] = []
  const ends: string[] = []
  const start = (who: string, network = bridge.network(), partitions = 6) => {
    const consumer = consume(
      { events, connection: bridge.transport({ network }) },
      'jobs.{id}',
      (e) => void handled.push(`${who} ${e.params.id} ${e.data.n}`),
      { ...options, partitions, onEnd: (error) => ends.push(`${who} ${error.message}`) },
    )
    return Object.assign(consumer, { network })
  }
  let n = 0
  return {
    bridge,
    transport,
    api: new JetStreamApi(transportLink(transport)),
    handled,
    ends,
    start,
    /** Publishes an event of each of 30 keys. Returns the number of events of each worker. */
    async round(wait = 100): Promise<Record<string, number>> {
      handled.splice(0)
      n++
      for (let id = 0; id < 30; id++) await service.publish('jobs.{id}', { id: String(id) }, { n })
      await bridge.clock.advance(wait)
      const shares: Record<string, number> = {}
      for (const [who = ''] of handled) shares[who] = (shares[who] ?? 0) + 1
      return shares
    },
    [Symbol.asyncDispose]: () => bridge.close(),
  }
}

describe('a consumer with partitions', () => {
  it('gives the partitions of a silent process to others, and takes them back after a reconnect', async () => {
    await using group = await createGroup()
    const { bridge, ends } = group
    const [a] = [group.start('a'), group.start('b'), group.start('c')]
    await bridge.clock.advance(1_000)
    const before = await group.round()
    expect(Object.keys(before).sort()).toEqual(['a', 'b', 'c'])
    a?.network.partition()
    // 3.5 heartbeats. The events of the silent process were all acknowledged.
    await bridge.clock.advance(5_000)
    const meanwhile = await group.round(1_000)
    expect(Object.keys(meanwhile).sort()).toEqual(['b', 'c'])
    expect(group.handled).toHaveLength(30)
    a?.network.heal()
    await bridge.clock.advance(60_000)
    expect(Object.keys(await group.round()).sort()).toEqual(['a', 'b', 'c'])
    expect(group.handled).toHaveLength(30)
    expect(ends).toEqual([])
  })

  it('removes copies of events that are done, except for the last one', async () => {
    await using group = await createGroup()
    group.start('a')
    await group.bridge.clock.advance(1_000)
    await group.round()
    await group.round()
    await group.bridge.clock.advance(11_000)
    expect(await group.api.streamState('JOBS-w')).toMatchObject({ messages: 1, lastSeq: 60 })
    await group.round()
    expect(group.handled).toHaveLength(30)
  })

  it('keeps copies of events that are not done', async () => {
    await using group = await createGroup()
    const { bridge } = group
    consume({ events, connection: bridge.transport() }, 'jobs.{id}', (e) => (e.params.id === '7' ? hang() : {}), {
      ...options,
      concurrency: 2,
    })
    await bridge.clock.advance(1_000)
    await group.round()
    await bridge.clock.advance(11_000)
    expect(await group.api.streamState('JOBS-w')).toMatchObject({ firstSeq: 8, lastSeq: 30 })
  })

  it('is drained and paused at any time, also before it is ready', async () => {
    await using group = await createGroup()
    const { bridge, ends } = group
    for (const wait of [0, 10, 100]) {
      const early = group.start('a')
      await bridge.clock.advance(wait)
      await early.drain()
      await expect(early.ready).rejects.toMatchObject({ code: 'connection-closed' })
    }
    const paused = group.start('b')
    await paused.pause()
    await bridge.clock.advance(1_000)
    await paused.ready
    expect(await group.round()).toEqual({})
    expect(await paused.lag()).toMatchObject({ pending: 30, unacknowledged: 0 })
    paused.resume()
    await bridge.clock.advance(1_000)
    expect(group.handled).toHaveLength(30)
    expect(ends).toEqual([])
  })

  it('ignores malformed messages between processes', async () => {
    await using group = await createGroup()
    group.start('a')
    group.start('b')
    await group.bridge.clock.advance(1_000)
    const before = await group.round()
    const id = 'x'.repeat(16)
    const wrong = ['', '{', 'null', '[]', '7', '"text"', { id: 7 }, { id: 'short' }, { id: { length: 16 } }]
    for (const message of wrong) await group.transport.publish(SUBJECT, text(message))
    await group.bridge.clock.advance(1_000)
    expect(await group.round()).toEqual(before)
    // A member with numbers that are not partitions has none of the others' partitions.
    await group.transport.publish(SUBJECT, text({ id, holds: [-1, 6, 'x', null, 1.5, {}], beat: 'never' }))
    await group.bridge.clock.advance(500)
    // It takes a share, but sends no heartbeats.
    await group.bridge.clock.advance(6_000)
    expect(Object.values(await group.round()).reduce((sum, one) => sum + one, 0)).toBe(30)
    expect(group.ends).toEqual([])
  })

  it('ends if the stream of its events is created again', async () => {
    await using group = await createGroup()
    const { api, bridge, ends } = group
    group.start('a')
    await bridge.clock.advance(1_000)
    await group.round()
    await api.deleteStream('JOBS')
    await bridge.ensureStreams(events)
    await bridge.clock.advance(11_000)
    expect(ends).toEqual(['a The stream JOBS was deleted and created again.'])
    group.start('b')
    await bridge.clock.advance(1_000)
    await group.round()
    expect(group.handled).toHaveLength(30)
  })

  it('continues a change of the number that was interrupted', async () => {
    await using group = await createGroup()
    const { api, bridge, ends } = group
    group.start('a')
    await bridge.clock.advance(1_000)
    await group.round()
    const state = await api.streamState('JOBS-w')
    await api.updateStream({ ...state?.config, name: 'JOBS-w', sources: [] })
    expect(await group.round()).toEqual({})
    group.start('b', bridge.network(), 9)
    await bridge.clock.advance(100)
    expect(ends.splice(0)).toEqual([expect.stringMatching(/not completed: call setPartitions again/)])
    const changed = setPartitions({ events, connection: group.transport }, 'jobs.{id}', { ...options, partitions: 9 })
    await bridge.clock.advance(2_000)
    await changed
    expect(ends).toEqual([expect.stringMatching(/^a .*has 9 partitions, not 6/)])
    group.handled.splice(0)
    group.start('c', bridge.network(), 9)
    await bridge.clock.advance(1_000)
    expect(group.handled.sort()).toEqual(Array.from({ length: 30 }, (_, id) => `c ${id} 2`).sort())
  })
})

function hang(): Promise<void> {
  return new Promise(() => {})
}
