import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { StartFrom } from '../../../../sdk/contract/bus.ts'
import type { CursorStore } from '../../../../sdk/contract/cursor-store.ts'
import type { Gap } from '../../../../sdk/contract/gap.ts'
import type { Source, SourceMessage } from '../../../../sdk/contract/subscription-source.ts'
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

/** Delivers until no message is in flight. */
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

describe('the start of a replay', () => {
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

describe('a resumed replay', () => {
  it('requests the next sequence, and drops duplicates', async () => {
    const edge = createScriptedEdge()
    publish(edge, 1, 3)
    const app = await follow(edge, { from: 'all' })
    for (let i = 0; i < 3; i++) edge.deliver()
    edge.lose()
    publish(edge, 4, 6)
    edge.restore()
    await settle(edge)
    expect(ids(app)).toEqual([1, 2, 3, 4, 5, 6])
    expect(edge.replays).toEqual(['$EDGE.REPLAY.all.s.*', '$EDGE.REPLAY.s3.s.*'])
    expect(app.gaps).toEqual([])
  })

  it('continues without a new request while the bridge is connected and NATS is not', async () => {
    const edge = createScriptedEdge()
    const app = await follow(edge)
    edge.lose('upstream-unavailable')
    edge.restore()
    publish(edge, 1, 2)
    await settle(edge)
    expect(ids(app)).toEqual([1, 2])
    expect(edge.replays.length).toBe(1)
  })

  it('from: new delivers the events of a disconnect', async () => {
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

  it('reports removed events once, across several interruptions', async () => {
    const edge = createScriptedEdge()
    publish(edge, 1, 2)
    const app = await follow(edge, { from: 'all' })
    await settle(edge)
    edge.lose()
    publish(edge, 3, 9)
    edge.remove([3, 4, 7])
    edge.restore()
    // Delivers the opening and the gap, and no message.
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

  it('reports a recreated stream, and reads it from its first event', async () => {
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

  it('reports a truncated stream', async () => {
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

  it('last-per-subject restarts without the events that were delivered', async () => {
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

describe('an application', () => {
  it('that is slow pauses the replay, without a loss', async () => {
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

  it('moves the cursor as it handles events, in order', async () => {
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

  it('has its cursor stored, in order, with one write at a time', async () => {
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

type Expected = { readonly seq: number; removed: boolean; unreported?: boolean }

it('each event is delivered once and in order, and each removed event is reported once, for random operations', async () => {
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
  const seen = { events: 0, reported: 0, recreated: 0, truncated: 0, reloads: 0 }
  await fc.assert(
    fc.asyncProperty(scenario, fc.integer({ min: 1, max: 6 }), fc.boolean(), async (steps, buffer, fromAll) => {
      const edge = createScriptedEdge()
      /** Messages of the current stream that must be delivered or reported, by id. */
      const expectedById = new Map<number, Expected>()
      let ids = 0
      let reloaded = false
      /** Index of the first gap with sequences of the current stream. */
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
      const reportedSeqs = () => {
        const since = Math.max(app.gaps.findLastIndex(({ reason }) => reason !== 'removed') + 1, base)
        return app.gaps
          .slice(since)
          .flatMap(({ ranges }) => ranges)
          .flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, i) => from + i))
      }
      const check = () => {
        const delivered = app.got.map(({ id }) => id)
        expect(delivered).toEqual([...new Set(delivered)].sort((a, b) => a - b))
        const reported = reportedSeqs()
        if (!reloaded) expect(reported.length).toBe(new Set(reported).size)
        for (const [id, { seq, removed, unreported }] of expectedById) {
          if (unreported) continue
          const came = delivered.includes(id)
          if (!removed) expect([id, came]).toEqual([id, true])
          expect([id, reported.includes(seq)], `reported: ${reported}`).toEqual([id, !came])
        }
        seen.reported += reported.length
      }

      for (const [name, at] of steps) {
        const isLost = edge.transport.status.reason?.code === 'connection-lost'
        if (name.startsWith('publish')) {
          const subject = name.slice(8)
          edge.publish(subject, ++ids)
          if (subject !== 'x') expectedById.set(ids, { seq: edge.last, removed: false })
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
          for (const entry of expectedById.values()) {
            if (!gone.includes(entry.seq)) continue
            entry.removed = true
            // Losses of a recreated stream are unknown until the client has its epoch.
            entry.unreported = edge.reportedEpoch !== edge.epoch
          }
        } else if (name === 'recreate') {
          seen.recreated++
          expectedById.clear()
          edge.recreate()
        } else if (name === 'truncate' && edge.last > 1) {
          // Not detectable once other messages have the same sequences.
          await catchUp()
          check()
          expectedById.clear()
          seen.truncated++
          base = app.gaps.length
          edge.truncate(Math.max(edge.last - 1 - (at % 3), 0))
          await settle(edge)
        } else if (name === 'reload' && app.source.cursor) {
          reloaded = true
          seen.reloads++
          app.source.unsubscribe()
          // With a cursor of another epoch, earlier losses of the new stream are unknown.
          if (!app.source.cursor.includes(edge.epoch)) {
            edge.reportedEpoch = ''
            for (const entry of expectedById.values()) entry.unreported ||= entry.removed
          }
          // Everything from the first unfinished event is delivered again.
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

it('1,000 replays that a bridge interrupts resume at different times', async () => {
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
