import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  filtersOverlap,
  hasWildcard,
  isSubject,
  isSubjectFilter,
  isSubsetFilter,
  matchesFilter,
} from '../../../../sdk/wire/subject.ts'

const subjects = allTokens(['a', 'b'], 3)
const filters = allTokens(['a', 'b', '*', '>'], 3).filter(isSubjectFilter)

/** Returns the subjects of up to four tokens that a filter matches: the model of these tests. */
function matchesOf(filter: string): Set<string> {
  const pattern = filter
    .split('.')
    .map((token) => (token === '*' ? '[^.]+' : token === '>' ? '.+' : token))
    .join('\\.')
  const expression = new RegExp(`^${pattern}$`)
  return new Set(longSubjects.filter((subject) => expression.test(subject)))
}
const longSubjects = allTokens(['a', 'b', 'c'], 4)
const matches = new Map(filters.map((filter) => [filter, matchesOf(filter)]))

describe('subjects', () => {
  it.each(['a', 'a.b', 'a-b_c', 'ä.日', 'a*', 'a>b', '$SYS.x', "it's", '👍'])('%j is a subject', (subject) => {
    expect(isSubject(subject)).toBe(true)
    expect(isSubjectFilter(subject)).toBe(true)
    expect(hasWildcard(subject)).toBe(false)
  })

  it.each(['', '.', 'a.', '.a', 'a..b', 'a b', 'a\tb', 'a\r\nPUB b 0', 'a\0', 'a\u007f', 'a\ud800'])(
    '%j is neither a subject nor a filter',
    (subject) => {
      expect(isSubject(subject)).toBe(false)
      expect(isSubjectFilter(subject)).toBe(false)
    },
  )

  it.each(['*', '>', 'a.*', 'a.*.b', 'a.>', '*.>'])('%j is a filter and not a subject', (filter) => {
    expect(isSubject(filter)).toBe(false)
    expect(isSubjectFilter(filter)).toBe(true)
    expect(hasWildcard(filter)).toBe(true)
  })

  it.each(['>.a', 'a.>.b', '>.>'])('%j is not a filter', (filter) => {
    expect(isSubjectFilter(filter)).toBe(false)
  })

  it('matchesFilter agrees with the model on every filter and subject', () => {
    for (const filter of filters) {
      for (const subject of subjects) {
        expect([filter, subject, matchesFilter(filter, subject)]).toEqual([
          filter,
          subject,
          matches.get(filter)?.has(subject),
        ])
      }
    }
  })

  it('isSubsetFilter and filtersOverlap agree with the model on every two filters', () => {
    for (const [a, inA] of matches) {
      for (const [b, inB] of matches) {
        expect([a, b, isSubsetFilter(a, b)]).toEqual([a, b, inA.isSubsetOf(inB)])
        expect([a, b, filtersOverlap(a, b)]).toEqual([a, b, !inA.isDisjointFrom(inB)])
      }
    }
  })

  it('a valid filter never breaks a control line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (subject) => {
        if (!isSubjectFilter(subject)) return
        const line = `SUB ${subject} 1\r\n`
        expect(new TextDecoder().decode(new TextEncoder().encode(line))).toBe(line)
        expect(line.trimEnd().split(/[ \t\r\n]+/)).toHaveLength(3)
      }),
    )
  })
})

function allTokens(alphabet: readonly string[], depth: number): string[] {
  const all = [...alphabet]
  let last = all
  for (let i = 1; i < depth; i++) {
    last = last.flatMap((prefix) => alphabet.map((token) => `${prefix}.${token}`))
    all.push(...last)
  }
  return all
}
