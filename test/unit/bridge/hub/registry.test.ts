import { afterEach, expect, it, vi } from 'vitest'
import { Registry } from '../../../../bridge/hub/registry.ts'
import type { Session } from '../../../../bridge/session/session.ts'

afterEach(() => vi.useRealTimers())

/** Records the ticks of one session. */
function registered(): { ticks: number[]; block(ms: number): void } {
  // `performance` is advanced without the timers, as by a busy event loop.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  let now = 0
  vi.spyOn(performance, 'now').mockImplementation(() => now)
  const ticks: number[] = []
  // A stand-in, because only the time of ticks counts.
  const session: Pick<Session, 'id' | 'tick'> = { id: 'a', tick: () => void ticks.push(now) }
  new Registry(() => now).add(session as Session)
  const block = (ms: number) => {
    now += ms
    vi.advanceTimersByTime(1_000)
  }
  return { ticks, block }
}

it('deadlines are checked each second', () => {
  const { ticks, block } = registered()
  for (let i = 0; i < 3; i++) block(1_010)
  expect(ticks).toEqual([1_010, 2_020, 3_030])
})

it('a hub that was busy reads its sockets before it checks deadlines', () => {
  const { ticks, block } = registered()
  block(1_000)
  block(6_000)
  expect(ticks).toEqual([1_000])
  block(1_000)
  expect(ticks).toEqual([1_000, 8_000])
})

it('a hub that is always busy checks deadlines at every second tick', () => {
  const { ticks, block } = registered()
  for (let i = 0; i < 6; i++) block(3_000)
  expect(ticks).toEqual([6_000, 12_000, 18_000])
})
