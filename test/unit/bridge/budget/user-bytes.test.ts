import { expect, it } from 'vitest'
import { UserBytes } from '../../../../bridge/budget/user-bytes.ts'

it('each user has a share, until all are cleared', () => {
  const bytes = new UserBytes(10)
  expect([bytes.add('ada', 6), bytes.add('ada', 5), bytes.add('ada', 4), bytes.add('bob', 10)]).toEqual([
    true,
    false,
    true,
    true,
  ])
  bytes.clear()
  expect(bytes.add('ada', 10)).toBe(true)
})
