import { afterEach, expect, it, vi } from 'vitest'
import { Notices } from '../../../../bridge/auth/notices.ts'

afterEach(() => void vi.restoreAllMocks())

it('are written once each, ten in a minute, and the number of the others after it', () => {
  const lines: string[] = []
  vi.spyOn(console, 'warn').mockImplementation((line) => void lines.push(line))
  let now = 1_000_000
  const notices = new Notices(() => now)
  for (let i = 0; i < 100; i++) for (let repeat = 0; repeat < 2; repeat++) notices.write(`notice ${i}`)
  expect(lines).toEqual(Array.from({ length: 10 }, (_, i) => `spanwire: notice ${i}`))
  now += 59_999
  notices.write('notice 100')
  expect(lines).toHaveLength(10)
  now += 1
  notices.write('notice 0')
  expect(lines.slice(10)).toEqual(['spanwire: 181 more notices in the last minute.', 'spanwire: notice 0'])
})

it('are cut to 300 characters', () => {
  const warn = vi.spyOn(console, 'warn').mockReturnValue()
  new Notices().write('x'.repeat(1_000_000))
  expect(warn.mock.calls[0]?.[0]).toHaveLength('spanwire: '.length + 300)
})
