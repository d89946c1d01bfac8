import { expect, it } from 'vitest'
import { DistinctPlaces } from '../../../../bridge/budget/distinct-places.ts'

it('a key that is used several times takes one place until its last use has ended', () => {
  const places = new DistinctPlaces(2)
  places.add('ada', 'a')
  places.add('ada', 'a')
  places.add('ada', 'b')
  expect(places.countOf('ada')).toBe(2)
  expect(['a', 'b', 'c'].map((key) => places.hasRoomFor('ada', key))).toEqual([true, true, false])
  expect(places.hasRoomFor('bob', 'c')).toBe(true)
  places.remove('ada', 'a')
  expect(places.hasRoomFor('ada', 'c')).toBe(false)
  places.remove('ada', 'a')
  expect(places.hasRoomFor('ada', 'c')).toBe(true)
})

it('the end of an unknown use changes nothing', () => {
  const places = new DistinctPlaces(1)
  places.remove('ada', 'a')
  places.add('ada', 'a')
  places.remove('ada', 'b')
  places.remove('bob', 'a')
  expect(places.countOf('ada')).toBe(1)
})
