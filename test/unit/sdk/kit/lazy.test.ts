import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { lazy, loadUntil } from '../../../../sdk/kit/lazy.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A module that cannot be loaded until `isThere`. */
function missing() {
  const state = { isThere: false, loads: 0 }
  const part = lazy(async () => {
    state.loads++
    if (!state.isThere) throw new TypeError('Failed to fetch dynamically imported module')
    return { answer: 42 }
  })
  return { state, part }
}

it('rejects with the cause while a part cannot be loaded, and loads it again with the next use', async () => {
  const { state, part } = missing()
  await expect(part(({ answer }) => answer)).rejects.toMatchObject({ code: 'not-loaded', cause: expect.any(TypeError) })
  state.isThere = true
  expect(await part(({ answer }) => answer)).toBe(42)
  expect(await part(({ answer }) => answer)).toBe(42)
  expect(state.loads).toBe(2)
})

it('reports the first failure, and loads again every 10 s until the part is there', async () => {
  const { state, part } = missing()
  const use = vi.fn()
  await expect(loadUntil(part, () => true, use)).rejects.toMatchObject({ code: 'not-loaded' })
  await vi.advanceTimersByTimeAsync(25_000)
  expect([state.loads, use.mock.calls.length]).toEqual([3, 0])
  state.isThere = true
  await vi.advanceTimersByTimeAsync(60_000)
  expect([state.loads, use.mock.calls.length]).toEqual([4, 1])
})

it('loads nothing again once the part is not wanted', async () => {
  const { state, part } = missing()
  let isWanted = true
  const use = vi.fn()
  await expect(loadUntil(part, () => isWanted, use)).rejects.toMatchObject({ code: 'not-loaded' })
  isWanted = false
  state.isThere = true
  await vi.advanceTimersByTimeAsync(60_000)
  expect([state.loads, use.mock.calls.length]).toEqual([1, 0])
})
