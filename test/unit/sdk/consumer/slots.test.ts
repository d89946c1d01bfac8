import { expect, it } from 'vitest'
import { Slots } from '../../../../sdk/consumer/slots.ts'

it('gives free slots in turns, and passes over functions that take none', () => {
  const slots = new Slots(1)
  const log: string[] = []
  const never = () => void log.push('never')
  const taker = (name: string) => {
    const retry = () => void log.push(`${name} ${slots.take(retry)}`)
    return retry
  }
  const [a, b] = [taker('a'), taker('b')]
  expect(slots.take(never)).toBe(true)
  expect(slots.take(never)).toBe(false)
  a()
  b()
  expect(log.splice(0)).toEqual(['a false', 'b false'])
  slots.release()
  expect(log.splice(0)).toEqual(['never', 'a true'])
  slots.release()
  expect(log.splice(0)).toEqual(['b true'])
  slots.release()
  expect(slots.take(never)).toBe(true)
})
