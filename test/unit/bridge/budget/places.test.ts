import { expect, it } from 'vitest'
import { Places } from '../../../../bridge/budget/places.ts'

it('a user has its own number of places, and gets them back', () => {
  const places = new Places({ user: 3, hub: 100 })
  expect([1, 2, 3, 4].map(() => places.take('ada'))).toEqual([true, true, true, false])
  expect(places.take('bob')).toBe(true)
  places.give('ada')
  expect(places.take('ada')).toBe(true)
  expect(places.used).toBe(4)
})

it('the last tenth of a hub is for users that have few', () => {
  const places = new Places({ user: 95, hub: 100 })
  for (let i = 0; i < 90; i++) expect(places.take('mallory')).toBe(true)
  expect(places.take('mallory')).toBe(false)
  for (let i = 0; i < 10; i++) {
    expect(places.take(`user ${i}`)).toBe(true)
    expect(places.take(`user ${i}`)).toBe(false)
  }
  expect(places.take('one more')).toBe(false)
})

it('a place that was never taken can not be given back', () => {
  const places = new Places({ user: 1, hub: 1 })
  places.give('ada')
  expect(places.used).toBe(0)
})
