import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readMembers } from '../../../../bridge/auth/json-members.ts'

const texts = (text: string) => readMembers(text).map(({ name, start, end }) => [name, text.slice(start, end)])

describe('the members of a JSON object', () => {
  it.each<[string, Array<[string, string]>]>([
    ['{}', []],
    [' { } ', []],
    ['{"a":1}', [['a', '1']]],
    [
      ' {\t"a" :\n 1e400 , "b":-0.0}',
      [
        ['a', '1e400'],
        ['b', '-0.0'],
      ],
    ],
    [
      '{"a":9007199254740993,"a":2}',
      [
        ['a', '9007199254740993'],
        ['a', '2'],
      ],
    ],
    [
      '{"\\u0061":"\\"}{\\\\","b":[{"c":"]"},[]]}',
      [
        ['a', '"\\"}{\\\\"'],
        ['b', '[{"c":"]"},[]]'],
      ],
    ],
    [
      '{"":null,"__proto__":{"a":1,"a":2}}',
      [
        ['', 'null'],
        ['__proto__', '{"a":1,"a":2}'],
      ],
    ],
    ['[1,{"a":1}]', []],
    ['"a"', []],
    ['1', []],
    ['null', []],
  ])('of %s keep their text', (text, members) => {
    expect(texts(text)).toEqual(members)
  })

  it('are the same as with JSON.parse, for any object and white space', () => {
    const blank = fc.string({ unit: fc.constantFrom(' ', '\n', '\t', '\r'), maxLength: 3 })
    const object = fc.dictionary(fc.string(), fc.jsonValue())
    fc.assert(
      fc.property(object, blank, blank, (value, before, between) => {
        const entries = Object.entries(value).map(
          ([name, one]) =>
            `${between}${JSON.stringify(name)}${before}:${between}${JSON.stringify(one, null, 1)}${before}`,
        )
        const text = `${before}{${entries.join(',')}}${between}`
        const parsed = JSON.parse(text) as Record<string, unknown>
        const members = texts(text)
        expect(members.map(([name]) => name).sort()).toEqual(Object.keys(parsed).sort())
        for (const [name = '', member = ''] of members) {
          expect(JSON.parse(member)).toEqual(parsed[name])
          expect(member).toBe(member.trim())
        }
      }),
    )
  })

  it('are found in a deep text as fast as in a flat one', () => {
    const deep = `{"a":${'['.repeat(500_000)}${']'.repeat(500_000)},"b":1}`
    expect(readMembers(deep).map(({ name }) => name)).toEqual(['a', 'b'])
  })
})
