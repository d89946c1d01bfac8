import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createBackoff } from '../../../../sdk/kit/backoff.ts'
import { pause } from '../../../../sdk/kit/pause.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('backoff', () => {
  const delays = (backoff: ReturnType<typeof createBackoff>, count: number) =>
    Array.from({ length: count }, () => backoff.next())

  it('doubles the upper bound of the delay up to the longest', () => {
    expect(
      delays(
        createBackoff({}, () => 1),
        8,
      ),
    ).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000])
    expect(
      delays(
        createBackoff({ first: 10, longest: 50 }, () => 0.5),
        4,
      ),
    ).toEqual([5, 10, 20, 25])
    const late = createBackoff({}, () => 1)
    late.failures = 5_000
    expect(late.next()).toBe(20_000)
  })

  it('has full jitter: a delay may be zero', () => {
    expect(
      delays(
        createBackoff({}, () => 0),
        3,
      ),
    ).toEqual([0, 0, 0])
  })

  it('starts with the first delay again after a success', () => {
    const backoff = createBackoff({ first: 10 }, () => 1)
    expect(delays(backoff, 2)).toEqual([10, 20])
    backoff.failures = 0
    expect(backoff.next()).toBe(10)
  })

  it('calls the attempt once, after the last delay that was scheduled', () => {
    const backoff = createBackoff({ first: 10 }, () => 1)
    const attempt = vi.fn()
    backoff.schedule(attempt)
    backoff.schedule(attempt)
    expect(backoff.isScheduled).toBe(true)
    vi.advanceTimersByTime(19)
    expect(attempt).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(attempt).toHaveBeenCalledTimes(1)
    expect(backoff.isScheduled).toBe(false)
    backoff.schedule(attempt, 5)
    backoff.cancel()
    expect([backoff.isScheduled, vi.getTimerCount()]).toEqual([false, 0])
  })
})

describe('pause', () => {
  it('resolves early when its signal aborts, and leaves no timer and no listener', async () => {
    const abort = new AbortController()
    const removed = vi.spyOn(abort.signal, 'removeEventListener')
    const paused = pause(60_000, abort.signal)
    abort.abort()
    await paused
    expect(vi.getTimerCount()).toBe(0)
    const other = pause(10, new AbortController().signal)
    await vi.advanceTimersByTimeAsync(10)
    await other
    expect(removed).toHaveBeenCalledTimes(1)
  })

  it('resolves at once when its signal is aborted already', async () => {
    const paused = pause(60_000, AbortSignal.abort())
    await vi.advanceTimersByTimeAsync(0)
    await paused
  })
})
