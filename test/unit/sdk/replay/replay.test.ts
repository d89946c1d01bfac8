import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { StartFrom } from '../../../../sdk/contract/bus.ts'
import type { CursorStore } from '../../../../sdk/contract/cursor-store.ts'
import type { Gap } from '../../../../sdk/contract/gap.ts'
import type { Source, SourceMessage } from '../../../../sdk/contract/source.ts'
import { replay } from '../../../../sdk/replay/replay.ts'
import type { Transport } from '../../../../sdk/transport/transport.ts'
import { HERD, largestShare, seededRandom } from '../herd.ts'
import { createScriptedEdge, type ScriptedEdge } from '../scripted-edge.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

interface Got {
  readonly seq: number
  readonly id: number
  readonly live: boolean | undefined
  isDone: boolean
  done(): void
}
interface App {
  source: Source
  readonly got: Got[]
  readonly gaps: Gap[]
  readonly ended: Error[]
}
type Options = { from?: StartFrom; buffer?: number; cursorStore?: CursorStore }

async function follow(edge: ScriptedEdge, options: Options = {}, app?: App): Promise<App> {
  const { got, gaps, ended }: Omit<App, 'source'> = app ?? { got: [], gaps: [], ended: [] }
  const handler = {
    message(message: SourceMessage) {
      const { id } = JSON.parse(new TextDecoder().decode(message.payload))
      const { seq, live } = message
      const one: Got = {
        seq: seq as number,
        id,
        live,
        isDone: false,
        done() {
          one.isDone = true
          message.done?.()
        },
      }
      got.push(one)
    },
    ended: (error: Error) => void ended.push(error),
  }
  const source = replay(edge.transport, 's.*', handler, { onGap: (gap) => gaps.push(gap), ...options })
  await vi.advanceTimersByTimeAsync(0)
  return { source, got, gaps, ended }
}

/** Until nothing is on its way. */
async function settle(edge: ScriptedEdge): Promise<void> {
  for (let idle = 0; idle < 2; ) {
    if (edge.deliver()) idle = 0
    else {
      await vi.advanceTimersByTimeAsync(6_000)
      idle++
    }
  }
}

const publish = (edge: ScriptedEdge, from: number, to: number) => {
  for (let id = from; id <= to; id++) edge.publish('s.a', id)
}
const ids = ({ got }: App) => got.map(({ id }) => id)

describe('where it begins', () => {
  it.each<[StartFrom, number[]]>([
    ['all', [1, 2, 3, 4, 5]],
    ['new', [5]],
    ['last', [4, 5]],
    [{ last: 2 }, [3, 4, 5]],
    [{ seq: 2 }, [2, 3, 4, 5]],
    ['last-per-subject', [4, 5]],
  ])('%j', async (from, expected) => {
    const edge = createScriptedEdge()
    publish(edge, 1, 4)
    const app = await follow(edge, { from })
    await settle(edge)
    publish(edge, 5, 5)
    await settle(edge)
    expect(ids(app)).toEqual(expected)
    expect(app.got.map(({ live }) => live)).toEqual(expected.map((id) => id === 5))
    await app.source.ready
    await app.source.live
  })

  it.each<StartFrom>([{ seq: 0 }, { last: 1.5 }, { time: Number.NaN }, { cursor: 'nonsense' }])(
    '%j is refused',
    async (from) => {
      const app = await follow(createScriptedEdge(), { from })
      expect(app.ended).toMatchObject([{ code: 'invalid-argument' }])
      await expect(app.source.ready).rejects.toMatchObject({ code: 'invalid-argument' })
    },
  )
})

describe('resuming', () => {
  it('asks for the next sequence, and drops what comes twice', async () => {
    const edge = createScriptedEdge()
    publish(edge, 1, 3)
    const app = await follow(edge, { from: 'all' })
    for (let i = 0; i < 3; i++) edge.deliver()
    edge.lose()
    publish(edge, 4, 6)
    edge.restore()
    await settle(edge)
    expect(ids(app)).toEqual([1, 2, 3, 4, 5, 6])
    expect(edge.asked).toEqual(['$EDGE.REPLAY.all.s.*', '$EDGE.REPLAY.s3.s.*'])
    expect(app.gaps).toEqual([])
  })

  it("while only NATS is away from the bridge, the bridge's replay goes on", async () => {
    const edge = createScriptedEdge()
    const app = await follow(edge)
    edge.lose('upstream-unavailable')
    edge.restore()
    publish(edge, 1, 2)
    await settle(edge)
    expect(ids(app)).toEqual([1, 2])
    expect(edge.asked.length).toBe(1)
  })

  it('a subscription to what is new misses nothing that comes while it is away', async () => {
    const edge = createScriptedEdge()
    publish(edge, 1, 2)
    const app = await follow(edge, { from: 'new' })
    await settle(edge)
    edge.lose()
    publish(edge, 3, 4)
    edge.restore()
    await settle(edge)
    expect(ids(app)).toEqual([3, 4])
  })

  it('what retention removed meanwhile is told once, also over more interruptions', async () => {
    const edge = createScriptedEdge()
    publish(edge, 1, 2)
    const app = await follow(edge, { from: 'all' })
    await settle(edge)
    edge.lose()
    publish(edge, 3, 9)
    edge.remove([3, 4, 7])
    edge.restore()
    // Opening and gap, but not the messages.
    edge.deliver()
    edge.deliver()
    edge.lose()
    edge.restore()
    edge.interrupt()
    await settle(edge)
    expect(ids(app)).toEqual([1, 2, 5, 6, 8, 9])
    expect(app.gaps).toEqual([
      {
        reason: 'removed',
        stream: 'S',
        subject: 's.*',
        ranges: [
          { from: 3, to: 3 },
          { from: 4, to: 4 },
          { from: 7, to: 7 },
        ],
      },
    ])
  })

  it('a stream that was made again is told, and read from its beginning', async () => {
    const edge = createScriptedEdge()
    publish(edge, 1, 4)
    const app = await follow(edge, { from: 'new' })
    publish(edge, 5, 5)
    await settle(edge)
    edge.lose()
    edge.recreate()
    publish(edge, 6, 7)
    edge.restore()
    await settle(edge)
    expect(ids(app)).toEqual([5, 6, 7])
    expect(app.gaps).toEqual([{ reason: 'recreated', stream: 'S', subject: 's.*', ranges: [] }])
    expect(app.source.cursor).not.toContain(edge.epoch)
    for (const { done } of app.got) done()
    expect(app.source.cursor).toBe(`3@${edge.epoch}@S`)
  })

  it('a stream that went back is told', async () => {
    const edge = createScriptedEdge()
    publish(edge, 1, 5)
    const app = await follow(edge, { from: 'all' })
    await settle(edge)
    edge.lose()
    edge.truncate(3)
    edge.restore()
    publish(edge, 6, 6)
    await settle(edge)
    expect(app.got.map(({ seq, id }) => [seq, id]).slice(-2)).toEqual([
      [5, 5],
      [4, 6],
    ])
    expect(app.gaps).toEqual([{ reason: 'truncated', stream: 'S', subject: 's.*', ranges: [{ from: 4, to: 5 }] }])
  })

  it('last-per-subject that is interrupted begins again, without what came', async () => {
    const edge = createScriptedEdge()
    for (const [id, subject] of ['s.a', 's.b', 's.a', 's.c', 's.b'].entries()) edge.publish(subject, id)
    const app = await follow(edge, { from: 'last-per-subject' })
    edge.deliver()
    edge.deliver()
    edge.lose()
    edge.publish('s.d', 5)
    edge.restore()
    await settle(edge)
    expect(ids(app)).toEqual([2, 3, 4, 5])
    expect(app.gaps).toEqual([])
  })
})

describe('the application', () => {
  it('that is slow pauses the replay, and nothing is lost', async () => {
    const edge = createScriptedEdge()
    publish(edge, 1, 20)
    const app = await follow(edge, { from: 'all', buffer: 4 })
    let done = 0
    while (done < 20) {
      await settle(edge)
      expect(app.got.length - done).toBeLessThanOrEqual(4)
      app.got[done++]?.done()
    }
    expect(ids(app)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
    expect(app.gaps).toEqual([])
  })

  it('moves the cursor when it is done, in order', async () => {
    const edge = createScriptedEdge()
    publish(edge, 1, 3)
    const app = await follow(edge, { from: 'all' })
    expect(app.source.cursor).toBe(undefined)
    await settle(edge)
    const cursors = [app.source.cursor]
    for (const index of [1, 0, 2]) {
      app.got[index]?.done()
      cursors.push(app.source.cursor)
    }
    expect(cursors.map((cursor) => cursor?.split('@')[0])).toEqual(['1', '1', '3', '4'])
  })

  it('has its cursor kept, newest last, one write at a time', async () => {
    const edge = createScriptedEdge()
    const written: string[] = []
    const first = Promise.withResolvers<void>()
    const cursorStore: CursorStore = {
      get: () => written.at(-1),
      set: (_, cursor) => (written.push(cursor) === 1 ? first.promise : undefined),
    }
    const app = await follow(edge, { from: 'all', cursorStore })
    publish(edge, 1, 3)
    await settle(edge)
    for (const { done } of app.got) done()
    await vi.advanceTimersByTimeAsync(0)
    expect(written.map((cursor) => cursor.split('@')[0])).toEqual(['1'])
    first.resolve()
    await vi.advanceTimersByTimeAsync(0)
    expect(written.map((cursor) => cursor.split('@')[0])).toEqual(['1', '4'])
    app.source.unsubscribe()
    publish(edge, 4, 5)
    const next = await follow(edge, { from: 'all', cursorStore })
    await settle(edge)
    expect(ids(next)).toEqual([4, 5])
  })
})

type Wanted = { readonly seq: number; removed: boolean; untold?: boolean }

it('whatever happens, each event comes once and in order, and what is gone is told exactly once', async () => {
  const op = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('publish s.a', 'publish s.b', 'publish x') },
    { weight: 8, arbitrary: fc.constant('deliver') },
    { weight: 3, arbitrary: fc.constantFrom('lose', 'restore', 'stall', 'interrupt') },
    { weight: 4, arbitrary: fc.constantFrom('done', 'done out of order') },
    { weight: 2, arbitrary: fc.constantFrom('remove first', 'remove inside') },
    { weight: 1, arbitrary: fc.constantFrom('recreate', 'truncate', 'reload') },
  )
  const pick = fc.nat(100)
  const scenario = fc.array(fc.tuple(op, pick), { minLength: 5, maxLength: 80, size: 'max' })
  const seen = { events: 0, told: 0, recreated: 0, truncated: 0, reloads: 0 }
  await fc.assert(
    fc.asyncProperty(scenario, fc.integer({ min: 1, max: 6 }), fc.boolean(), async (steps, buffer, fromAll) => {
      const edge = createScriptedEdge()
      /** By id: every message of the stream as it is now that should come, or be told of. */
      const wanted = new Map<number, Wanted>()
      let ids = 0
      let reloaded = false
      /** Gaps before it speak of sequences that mean something else now. */
      let base = 0
      const app = await follow(edge, { from: fromAll ? 'all' : 'new', buffer })
      await settle(edge)
      const unfinished = () => app.got.filter(({ isDone }) => !isDone)
      const catchUp = async () => {
        edge.restore()
        do {
          for (const one of unfinished()) one.done()
          await settle(edge)
        } while (unfinished().length > 0)
      }
      const told = () => {
        const since = Math.max(app.gaps.findLastIndex(({ reason }) => reason !== 'removed') + 1, base)
        return app.gaps
          .slice(since)
          .flatMap(({ ranges }) => ranges)
          .flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, i) => from + i))
      }
      const check = () => {
        const delivered = app.got.map(({ id }) => id)
        expect(delivered).toEqual([...new Set(delivered)].sort((a, b) => a - b))
        const gone = told()
        if (!reloaded) expect(gone.length).toBe(new Set(gone).size)
        for (const [id, { seq, removed, untold }] of wanted) {
          if (untold) continue
          const came = delivered.includes(id)
          if (!removed) expect([id, came]).toEqual([id, true])
          expect([id, gone.includes(seq)], `told: ${gone}`).toEqual([id, !came])
        }
        seen.told += gone.length
      }

      for (const [name, at] of steps) {
        const isLost = edge.transport.status.reason?.code === 'connection-lost'
        if (name.startsWith('publish')) {
          const subject = name.slice(8)
          edge.publish(subject, ++ids)
          if (subject !== 'x') wanted.set(ids, { seq: edge.last, removed: false })
        } else if (name === 'deliver') edge.deliver()
        else if (name === 'lose') edge.lose()
        else if (name === 'stall' && !isLost) edge.lose('upstream-unavailable')
        else if (name === 'restore') edge.restore()
        else if (name === 'interrupt' && !isLost) edge.interrupt()
        else if (name.startsWith('done')) {
          const some = unfinished()
          some[name === 'done' ? 0 : at % some.length]?.done()
        } else if (name.startsWith('remove') && edge.messages.size > 0) {
          const seqs = [...edge.messages.keys()]
          const gone = name === 'remove first' ? seqs.slice(0, (at % 3) + 1) : [seqs[at % seqs.length] as number]
          edge.remove(gone)
          for (const entry of wanted.values()) {
            if (!gone.includes(entry.seq)) continue
            entry.removed = true
            // What a new stream lost before it was noticed is part of what isn't known of it.
            entry.untold = edge.toldEpoch !== edge.epoch
          }
        } else if (name === 'recreate') {
          seen.recreated++
          wanted.clear()
          edge.recreate()
        } else if (name === 'truncate' && edge.last > 1) {
          // If it isn't noticed before other messages have the same numbers, nobody can tell.
          await catchUp()
          check()
          wanted.clear()
          seen.truncated++
          base = app.gaps.length
          edge.truncate(Math.max(edge.last - 1 - (at % 3), 0))
          await settle(edge)
        } else if (name === 'reload' && app.source.cursor) {
          reloaded = true
          seen.reloads++
          app.source.unsubscribe()
          // The cursor is of another epoch: what the new one lost until now isn't known of it.
          if (!app.source.cursor.includes(edge.epoch)) {
            edge.toldEpoch = ''
            for (const entry of wanted.values()) entry.untold ||= entry.removed
          }
          // What it wasn't done with comes again, and what came after that.
          const first = app.got.findIndex(({ isDone }) => !isDone)
          if (first >= 0) app.got.splice(first)
          app.source = (await follow(edge, { from: { cursor: app.source.cursor }, buffer }, app)).source
        }
      }
      await catchUp()
      check()
      seen.events += app.got.length
      expect(app.ended).toEqual([])
      expect(app.source.cursor?.split('@')[1]).toBe(edge.epoch)
    }),
    { numRuns: 400 },
  )
  console.log(seen)
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(20)
})

it('1,000 replays that a bridge interrupts ask for the rest out of step', async () => {
  vi.spyOn(Math, 'random').mockImplementation(seededRandom(3))
  const replays = await Promise.all(
    Array.from({ length: HERD }, async () => {
      const edge = createScriptedEdge()
      const times: number[] = []
      const { subscribe } = edge.transport
      const transport: Transport = {
        ...edge.transport,
        subscribe(...args) {
          times.push(Date.now())
          const subscription = subscribe(...args)
          edge.interrupt()
          edge.deliver()
          return subscription
        },
      }
      const source = replay(transport, 's.*', { message() {}, ended() {} }, {})
      return { source, times }
    }),
  )
  await vi.advanceTimersByTimeAsync(5_000)
  for (const retry of [1, 2, 3]) {
    expect(
      largestShare(
        replays.map(({ times }) => times[retry] as number),
        10,
      ),
    ).toBeLessThan(0.2)
  }
  for (const { source } of replays) source.unsubscribe()
  expect(vi.getTimerCount()).toBe(0)
  vi.restoreAllMocks()
})
