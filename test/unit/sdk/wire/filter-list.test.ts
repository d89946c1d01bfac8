import { describe, expect, it } from 'vitest'
import { findOverlap, isFilterList, joinFilters, splitFilters } from '../../../../sdk/wire/filter-list.ts'
import { encodeReplay, parseReplay } from '../../../../sdk/wire/replay-frames.ts'
import { isSubjectFilter } from '../../../../sdk/wire/subject.ts'

describe('a list of filters', () => {
  it('is sorted, without repetitions and filters within another one', () => {
    expect(joinFilters(['b.*', 'a.1', 'b.2', 'a.1', 'c.>', 'c.d.e'])).toBe('a.1 b.* c.>')
    expect(splitFilters(joinFilters(['a.*']))).toEqual(['a.*'])
  })

  it('does not overlap, and has at most 32 filters', () => {
    expect(findOverlap('a.*.c b.c')).toBeUndefined()
    expect(findOverlap('a.*.c a.b.*')).toEqual(['a.*.c', 'a.b.*'])
    const filters = (count: number) => Array.from({ length: count }, (_, n) => `a.${n}`).join(' ')
    expect([32, 33].map((count) => isFilterList(filters(count)))).toEqual([true, false])
    for (const invalid of ['', 'a ', ' a', 'a  b', 'a.> a.b', 'a..b c', 'a b.>.c'])
      expect(isFilterList(invalid), invalid).toBe(false)
  })
})

describe('the subject of a replay of several filters', () => {
  const lists = ['a', 'a b', 'a.*.c b.c d', 'a.> b.*', 'a.b.> b.> c', '> ', 'a.*.created a.*.paid', 'x.:3 y']

  it('is a valid filter, and is parsed again', () => {
    for (const list of lists.filter(isFilterList)) {
      for (const start of [{ at: 'all' }, { at: 'seq', seq: 7 }, { at: 'last-per-subject' }] as const) {
        const subject = encodeReplay(start, list)
        expect(isSubjectFilter(subject), subject).toBe(true)
        expect(parseReplay(subject), subject).toEqual({ start, filter: list })
      }
    }
    expect(encodeReplay({ at: 'all' }, 'orders.*.created orders.*.paid')).toBe(
      '$EDGE.REPLAY.all:3.orders.*.created.orders.*.paid',
    )
    expect(encodeReplay({ at: 'seq', seq: 3 }, 'a.> b.*')).toBe('$EDGE.REPLAY.s3:1>.a.b.*')
  })

  it('is refused with wrong numbers of tokens, overlaps, and too many filters', () => {
    const wrong = [
      'all:.a.b',
      'all:0.a.b',
      'all:2.a.b',
      'all:3.a.b',
      'all:1:1.a.b',
      'all:x.a.b',
      'all:-1.a.b',
      'all:1e1.a.b',
    ]
    for (const text of [
      ...wrong,
      'all:1.a.a',
      'all:1.*.b',
      'all:9999.a.b',
      'all:1>.a.a.b',
      `all${':1'.repeat(32)}${'.a'.repeat(33)}`,
    ])
      expect(parseReplay(`$EDGE.REPLAY.${text}`), text).toBeUndefined()
  })
})
