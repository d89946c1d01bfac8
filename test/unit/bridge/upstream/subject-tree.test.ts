import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SubjectTree } from '../../../../bridge/upstream/subject-tree.ts'
import { matchesFilter } from '../../../../sdk/wire/subject.ts'

const token = fc.constantFrom('a', 'b', 'c', '__proto__', 'é')
const subject = fc.array(token, { minLength: 1, maxLength: 5 }).map((tokens) => tokens.join('.'))
const filter = fc
  .tuple(fc.array(fc.oneof(token, fc.constant('*')), { minLength: 1, maxLength: 5 }), fc.boolean())
  .map(([tokens, open]) => [...tokens, ...(open ? ['>'] : [])].join('.'))

describe('SubjectTree', () => {
  it('finds exactly the matching filters, also after some were removed', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(filter, fc.boolean()), { maxLength: 30 }), subject, (entries, subject) => {
        const tree = new SubjectTree<number>()
        for (const [id, [filter]] of entries.entries()) tree.add(filter, id)
        entries.forEach(([filter, gone], id) => {
          if (gone) expect(tree.delete(filter, id)).toBe(true)
        })
        const kept = entries.map(([filter, gone], id) => ({ filter, gone, id })).filter(({ gone }) => !gone)
        const expected = kept.filter(({ filter }) => matchesFilter(filter, subject)).map(({ id }) => id)
        expect(tree.match(subject).sort((a, b) => a - b)).toEqual(expected)
        expect(tree.size).toBe(kept.length)
        expect(tree.values().sort((a, b) => a - b)).toEqual(kept.map(({ id }) => id))
      }),
    )
  })

  it('keeps a filter when its neighbours are removed, and removes empty branches', () => {
    const tree = new SubjectTree<string>()
    tree.add('a.b', 'short')
    tree.add('a.b.c', 'long')
    expect(tree.delete('a.b.c', 'long')).toBe(true)
    expect(tree.delete('a.b.c', 'long')).toBe(false)
    expect(tree.match('a.b')).toEqual(['short'])
    expect(tree.delete('a.b', 'short')).toBe(true)
    expect(tree.values()).toEqual([])
  })

  it('contains a value once that is added twice', () => {
    const tree = new SubjectTree<string>()
    tree.add('a', 'x')
    tree.add('a', 'x')
    expect(tree.size).toBe(1)
    expect(tree.match('a')).toEqual(['x'])
  })

  it('finds a value once for a subject with a wildcard token', () => {
    const tree = new SubjectTree<string>()
    tree.add('a.*', 'any')
    tree.add('a.>', 'rest')
    expect(tree.match('a.*').sort()).toEqual(['any', 'rest'])
    expect(tree.match('a.>').sort()).toEqual(['any', 'rest'])
  })

  it('finds any number of values of one filter', () => {
    const tree = new SubjectTree<number>()
    for (let i = 0; i < 200_000; i++) tree.add('a', i)
    expect(tree.match('a')).toHaveLength(200_000)
    expect(tree.values()).toHaveLength(200_000)
  })
})
