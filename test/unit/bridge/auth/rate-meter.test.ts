import { expect, it } from 'vitest'
import { RateMeter } from '../../../../bridge/auth/rate-meter.ts'

const rate = { messages: 100, bytes: 10_000 }
const taken = (meter: RateMeter, now: number) => {
  let count = 0
  while (meter.take(1, now)) count++
  return count
}

it('permits a burst of one second, then the rate', () => {
  const meter = new RateMeter(rate, 0)
  expect(taken(meter, 0)).toBe(100)
  expect(taken(meter, 500)).toBe(50)
  expect(taken(meter, 60_000)).toBe(100)
})

it('counts bytes like messages', () => {
  const meter = new RateMeter(rate, 0)
  expect(meter.take(10_001, 0)).toBe(false)
  expect(meter.take(10_000, 0)).toBe(true)
  expect(meter.take(1, 0)).toBe(false)
})

it('takes nothing until a charge is paid', () => {
  const meter = new RateMeter(rate, 0)
  meter.charge(40_000, 0)
  expect([0, 2_000, 3_000].map((now) => taken(meter, now))).toEqual([0, 0, 0])
  meter.suspend(3_000)
  expect(taken(meter, 3_000)).toBe(0)
  expect(taken(meter, 3_100)).toBe(10)
})

it('gives no burst after a pause', () => {
  const meter = new RateMeter(rate, 0)
  meter.suspend(1_000)
  expect([0, 500, 999].map((now) => taken(meter, now))).toEqual([0, 0, 0])
  expect(taken(meter, 1_100)).toBe(10)
})
