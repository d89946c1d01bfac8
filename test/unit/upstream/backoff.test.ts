import { describe, expect, it } from 'vitest'
import { backoff } from '../../../bridge/upstream/backoff.ts'

describe('backoff', () => {
  it('doubles up to the maximum, with the whole range as jitter', () => {
    const longest = (attempt: number) => backoff(attempt, { initial: 100, max: 1_000 }, () => 1)
    expect([0, 1, 2, 3, 4, 5].map(longest)).toEqual([100, 200, 400, 800, 1_000, 1_000])
    expect(backoff(3, { initial: 100, max: 1_000 }, () => 0)).toBe(0)
    expect(backoff(3, { initial: 100, max: 1_000 }, () => 0.5)).toBe(400)
  })

  it('stays finite after years of attempts', () => {
    expect(backoff(100_000, {}, () => 1)).toBe(10_000)
  })
})
