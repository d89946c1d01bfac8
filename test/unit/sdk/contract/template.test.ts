import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SubjectTemplate } from '../../../../sdk/contract/template.ts'

describe('subject templates', () => {
  it('build subjects and filters, and parse params', () => {
    const template = new SubjectTemplate('a.{x}.b.{rest...}')
    expect(template.subject({ x: '1', rest: 'c.d' })).toBe('a.1.b.c.d')
    expect(template.filter({})).toBe('a.*.b.>')
    expect(template.filter({ x: '*', rest: '*' })).toBe('a.*.b.>')
    expect(template.filter({ x: '1', rest: 'c.>' })).toBe('a.1.b.c.>')
    expect(template.params('a.1.b.c.d')).toEqual({ x: '1', rest: 'c.d' })
  })

  it('are refused if they are invalid', () => {
    const bad = ['', '.', 'a.', '.a', 'a..b', 'a b', 'a.*', 'a.>', 'a.{}', 'a.{b', 'a.b}', 'a.x{b}', '{a}{b}']
    bad.push('{a}.{a}', '{r...}.a', '{r..}', '{r....}', '{...}', '{a b}', '{a*}', '{a.b}', '{{a}}', 'a\u0000')
    for (const template of bad)
      expect(() => new SubjectTemplate(template), template).toThrow(
        expect.objectContaining({ code: 'invalid-subject' }),
      )
  })

  it('refuse invalid params', () => {
    const template = new SubjectTemplate('a.{x}')
    const invalid = expect.objectContaining({ code: 'invalid-params' })
    for (const x of ['', '*', '>', 'a*b', '*b', 'a>', '>b', 'a.b', 'a b', 'a\n', '.', undefined])
      expect(() => template.subject({ x }), x).toThrow(invalid)
    for (const x of ['', '>', 'a*b', '*b', 'a>', '>b', 'a.b', '*.*', 'a b'])
      expect(() => template.filter({ x }), x).toThrow(invalid)
    expect(() => template.subject(JSON.parse('{"x":1}'))).toThrow(invalid)
  })

  it('parse the params of a subject that they built', () => {
    const token = fc.stringMatching(/^[A-Za-z0-9_$-]{1,8}$/)
    fc.assert(
      fc.property(token, fc.array(token, { minLength: 1, maxLength: 5 }), (x, rest) => {
        const template = new SubjectTemplate('p.{x}.q.{rest...}')
        const params = { x, rest: rest.join('.') }
        expect(template.params(template.subject(params))).toEqual(params)
      }),
    )
  })
})
