import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Memo } from '../../../../bridge/replay/start-resolver.ts'
import { collectGarbage } from '../../../support/collect-garbage.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

it('shares one request between callers within the cache time', async () => {
  const memo = new Memo()
  let asked = 0
  const ask = () => memo.get('a', async () => ++asked)
  expect(await Promise.all([ask(), ask()])).toEqual([1, 1])
  vi.advanceTimersByTime(1_000)
  expect(await ask()).toBe(2)
})

it('drops an answer after the cache time', async () => {
  const memo = new Memo()
  // Answers can be large, such as a snapshot of 8 MiB for each filter.
  const ask = async () => new WeakRef(await memo.get('snapshot', async () => ({ large: true })))
  const answer = await ask()
  await collectGarbage()
  expect(answer.deref()).toBeDefined()
  vi.advanceTimersByTime(1_000)
  await collectGarbage()
  expect(answer.deref()).toBeUndefined()
  expect(vi.getTimerCount()).toBe(0)
  memo.clear()
})
