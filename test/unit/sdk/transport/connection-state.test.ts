import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ConnectionInput, type Phase, toState, transition } from '../../../../sdk/transport/connection-state.ts'
import { createOfflineQueue } from '../../../../sdk/transport/offline-queue.ts'

describe('transition table', () => {
  const table: Record<Phase, Record<ConnectionInput, Phase>> = {
    connecting: { ready: 'open', stall: 'stalled', lost: 'connecting', end: 'closed' },
    open: { ready: 'open', stall: 'stalled', lost: 'reconnecting', end: 'closed' },
    stalled: { ready: 'open', stall: 'stalled', lost: 'reconnecting', end: 'closed' },
    reconnecting: { ready: 'open', stall: 'stalled', lost: 'reconnecting', end: 'closed' },
    closed: { ready: 'closed', stall: 'closed', lost: 'closed', end: 'closed' },
  }
  for (const [phase, row] of Object.entries(table)) {
    for (const [input, next] of Object.entries(row)) {
      it(`${phase} --${input}--> ${next}`, () => {
        expect(transition(phase as Phase, input as ConnectionInput)).toBe(next)
      })
    }
  }

  it('shows a stalled connection as reconnecting', () => {
    expect(toState('stalled')).toBe('reconnecting')
    expect(toState('open')).toBe('open')
  })
})

describe('offline queue', () => {
  const entry = (size: number) => ({ size })

  it('refuses the oldest by default', () => {
    const queue = createOfflineQueue<{ size: number }>({ maxMessages: 2 })
    const [a, b, c] = [entry(1), entry(1), entry(1)]
    expect([queue.add(a), queue.add(b), queue.add(c)]).toEqual([[], [], [a]])
    expect(queue.take()).toEqual([b, c])
    expect(queue.length).toBe(0)
  })

  it('counts bytes, and refuses what alone is too large', () => {
    const queue = createOfflineQueue<{ size: number }>({ maxBytes: 10 })
    const [a, b, large] = [entry(6), entry(6), entry(11)]
    queue.add(a)
    expect(queue.add(large)).toEqual([large])
    expect(queue.add(b)).toEqual([a])
    queue.delete(b)
    expect(queue.add(entry(10))).toEqual([])
  })

  it('refuses the newest if that is wanted', () => {
    const queue = createOfflineQueue<{ size: number }>({ maxMessages: 1, whenFull: 'refuse-newest' })
    const [a, b] = [entry(1), entry(1)]
    expect([queue.add(a), queue.add(b)]).toEqual([[], [b]])
    expect(queue.take()).toEqual([a])
  })

  it('never holds more than it may, and loses nothing without a word', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(20), { maxLength: 60 }),
        fc.integer({ min: 0, max: 8 }),
        fc.integer({ min: 0, max: 50 }),
        fc.constantFrom('refuse-oldest' as const, 'refuse-newest' as const),
        (sizes, maxMessages, maxBytes, whenFull) => {
          const queue = createOfflineQueue<{ size: number }>({ maxMessages, maxBytes, whenFull })
          const entries = sizes.map(entry)
          const refused = entries.flatMap((e) => queue.add(e))
          const kept = queue.take()
          expect(kept.length).toBeLessThanOrEqual(maxMessages)
          expect(kept.reduce((sum, { size }) => sum + size, 0)).toBeLessThanOrEqual(maxBytes)
          expect(new Set([...kept, ...refused])).toEqual(new Set(entries))
          expect(kept.length + refused.length).toBe(entries.length)
          expect(kept).toEqual(entries.filter((e) => kept.includes(e)))
        },
      ),
    )
  })
})
