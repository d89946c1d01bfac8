import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { payloadField, showPayload } from '../../../../../bridge/cli/connection/payload-text.ts'
import { readStart } from '../../../../../bridge/cli/connection/start-from.ts'
import { toFilter, toSubject } from '../../../../../bridge/cli/connection/subject-choice.ts'
import { templateOf } from '../../../../../bridge/cli/schema/filter-template.ts'
import { formatDuration } from '../../../../../bridge/cli/terminal/duration.ts'
import { formatTable } from '../../../../../bridge/cli/terminal/table.ts'
import { SubjectTemplate } from '../../../../../sdk/contract/template.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

describe('payloads as text', () => {
  it('never control a terminal, and are one line', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array(), fc.string({ unit: 'binary' }).map(bytes), fc.json().map(bytes)),
        (payload) => {
          const shown = showPayload(payload)
          expect(shown).not.toMatch(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u)
        },
      ),
    )
  })

  it('are always fields of a line of JSON', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.string().map(bytes), fc.json().map(bytes)), (payload) => {
        const line = `{${payloadField(payload)}}`
        expect(line).not.toContain('\n')
        expect(Object.keys(JSON.parse(line))).toEqual([expect.stringMatching(/^(data|base64)$/)])
      }),
    )
    expect(payloadField(bytes('{"n":12345678901234567890}'))).toBe('"data":{"n":12345678901234567890}')
  })
})

describe('where to begin', () => {
  const now = Date.parse('2026-01-02T00:00:00Z')
  it.each([
    ['all', 'all'],
    ['last-per-subject', 'last-per-subject'],
    ['last:10', { last: 10 }],
    ['seq:42', { seq: 42 }],
    ['time:-5min', { time: now - 300_000 }],
    ['time:2026-01-01T00:00:00Z', { time: now - 86_400_000 }],
    ['7@2026@S', { cursor: '7@2026@S' }],
    ['cursor:7@2026@S', { cursor: '7@2026@S' }],
  ])('%s', (text, expected) => expect(readStart(text, now)).toEqual(expected))

  it.each(['', 'last:0', 'last:x', 'seq:-1', 'time:never', 'time:-5weeks', '0@x@y', 'everything'])(
    'is refused: %s',
    (text) => expect(() => readStart(text, now)).toThrow(),
  )
})

describe('subjects', () => {
  it('are filters, subjects, or events with params', () => {
    expect(toFilter('orders.>', {})).toBe('orders.>')
    expect(toFilter('orders.{id}.created', {})).toBe('orders.*.created')
    expect(toFilter('logs.{path...}', {})).toBe('logs.>')
    expect(toSubject('orders.{id}.created', { id: '42' })).toBe('orders.42.created')
    expect(() => toSubject('orders.{id}.created', {})).toThrow(/is not a valid \{id\}/)
    expect(() => toFilter('orders.{id}', { other: '1' })).toThrow(/no such parameter/)
    expect(() => toFilter('a b', {})).toThrow(/is not a subject filter/)
  })

  it('become templates that mean the same', () => {
    const token = fc.oneof(fc.constant('*'), fc.stringMatching(/^[a-z0-9-]{1,4}$/))
    fc.assert(
      fc.property(fc.array(token, { minLength: 1, maxLength: 4 }), fc.boolean(), (tokens, isOpen) => {
        const filter = [...tokens, ...(isOpen ? ['>'] : [])].join('.')
        expect(new SubjectTemplate(templateOf(filter)).filter({})).toBe(filter)
      }),
    )
  })
})

describe('for people', () => {
  it.each([
    [0, '0 ms'],
    [999, '999 ms'],
    [1_000, '1 s'],
    [65_000, '1 min 5 s'],
    [3_600_000, '1 h'],
    [7_500_000, '2 h 5 min'],
    [-90_000_000, '1 d 1 h'],
  ])('%i ms is %s', (ms, text) => expect(formatDuration(ms)).toBe(text))

  it('columns are as wide as their widest cell, colours aside', () => {
    const rows = [
      ['a', { text: 'bb', painted: '<bb>' }, 'c'],
      ['aaa', 'b', 'ccc'],
    ]
    expect(formatTable(['X', 'Y', 'Z'], rows)).toEqual(['X    Y   Z', 'a    <bb>  c', 'aaa  b   ccc'])
  })
})
