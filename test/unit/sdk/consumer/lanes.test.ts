import fc from 'fast-check'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Lanes } from '../../../../sdk/consumer/lanes.ts'

interface Item {
  readonly seq: number
  readonly lane: string
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

it('starts the items of a lane one at a time, in the order of the stream, for random operations', () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ act: fc.constant('add' as const), lane: fc.constantFrom('a', 'b', 'c') }) },
    { weight: 5, arbitrary: fc.record({ act: fc.constantFrom('begin', 'finish', 'rest', 'wake') }) },
    { weight: 1, arbitrary: fc.record({ act: fc.constant('clear' as const) }) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const lanes = new Lanes<Item>()
      let seq = 0
      /** The expected items, in order. */
      let waiting: Item[] = []
      let begun: Item[] = []
      const resting = new Set<string>()
      for (const next of steps) {
        const [first] = begun
        if (next.act === 'add') {
          const item = { seq: ++seq, lane: (next as { lane: string }).lane }
          lanes.add(item)
          waiting.push(item)
        } else if (next.act === 'begin') {
          const item = lanes.next()
          const may = waiting.filter(({ lane }) => !resting.has(lane) && !begun.some((other) => other.lane === lane))
          if (!item) expect(may).toEqual([])
          else {
            expect(may.find(({ lane }) => lane === item.lane)).toBe(item)
            waiting = waiting.filter((other) => other !== item)
            begun.push(item)
          }
        } else if (next.act === 'finish' && first) {
          lanes.finish(first)
          begun = begun.slice(1)
        } else if (next.act === 'rest' && first) {
          lanes.rest(first, 1_000, () => resting.delete(first.lane))
          resting.add(first.lane)
          begun = begun.slice(1)
          waiting = [first, ...waiting].sort((a, b) => a.seq - b.seq)
        } else if (next.act === 'wake') {
          vi.advanceTimersByTime(1_000)
          expect(resting.size).toBe(0)
        } else if (next.act === 'clear') {
          expect(lanes.clear()).toEqual(waiting)
          waiting = []
          resting.clear()
        }
        expect(lanes.size).toBe(waiting.length)
      }
    }),
    { numRuns: 500 },
  )
})

it('sorts redelivered items before later ones, and removes empty lanes', () => {
  const lanes = new Lanes<Item>()
  for (const seq of [3, 5, 4, 1]) lanes.add({ seq, lane: 'a' })
  const seen: number[] = []
  for (let item = lanes.next(); item; item = lanes.next()) {
    expect(lanes.next()).toBeUndefined()
    seen.push(item.seq)
    lanes.finish(item)
  }
  expect(seen).toEqual([1, 3, 4, 5])
  expect(vi.getTimerCount()).toBe(0)
})
