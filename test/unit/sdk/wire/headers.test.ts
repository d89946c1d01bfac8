import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isSpanwireError } from '../../../../sdk/wire/errors.ts'
import { encodeHeaders, parseHeaders } from '../../../../sdk/wire/headers.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

describe('header blocks', () => {
  it('are written according to ADR-4', () => {
    expect(new TextDecoder().decode(encodeHeaders([['A', 'b']]))).toBe('NATS/1.0\r\nA: b\r\n\r\n')
    expect(new TextDecoder().decode(encodeHeaders([], 503))).toBe('NATS/1.0 503\r\n\r\n')
    expect(new TextDecoder().decode(encodeHeaders([['A', '']], 100, 'Idle Heartbeat'))).toBe(
      'NATS/1.0 100 Idle Heartbeat\r\nA: \r\n\r\n',
    )
  })

  it.each([
    ['NATS/1.0\r\n\r\n', { fields: [] }],
    ['NATS/1.0 503\r\n\r\n', { status: 503, description: '', fields: [] }],
    ['NATS/1.0  404   No Messages \r\n\r\n', { status: 404, description: 'No Messages', fields: [] }],
    [
      'NATS/1.0\r\nA:b\r\nA:  c \r\na: d:e\r\n\r\n',
      {
        fields: [
          ['A', 'b'],
          ['A', 'c'],
          ['a', 'd:e'],
        ],
      },
    ],
    ['NATS/1.0\r\nno colon\r\n: no name\r\nA:\r\n\r\n', { fields: [['A', '']] }],
    ['NATS/1.0', { fields: [] }],
  ])('are read: %j', (block, parsed) => {
    expect(parseHeaders(bytes(block))).toEqual(parsed)
  })

  it.each([
    '',
    'HTTP/1.1 200\r\n\r\n',
    'NATS/2.0\r\n\r\n',
    'NATS/1.01\r\n\r\n',
    'NATS/1.0 abc\r\n\r\n',
    'NATS/1.0 50\r\n\r\n',
    'NATS/1.0 5033\r\n\r\n',
    '\ufeffNATS/1.0\r\n\r\n',
  ])('are refused: %j', (block) => {
    expect(() => parseHeaders(bytes(block))).toThrow('NATS/1.0')
  })

  it.each([
    ['a b', 'x'],
    ['', 'x'],
    ['a:b', 'x'],
    ['ä', 'x'],
    ['a\r\nb', 'x'],
    ['a', 'x\r\nInjected: y'],
    ['a', 'x\ny'],
    ['a', 'x\0'],
  ])('are never written with name %j and value %j', (name, value) => {
    expect(() => encodeHeaders([[name, value]])).toThrow(expect.objectContaining({ code: 'invalid-header' }))
  })

  it('round-trip', () => {
    const name = fc.stringMatching(/^[!-9;-~]{1,12}$/)
    const value = fc
      .string({ unit: 'binary' })
      .filter((text) => text.isWellFormed() && !/[\0\r\n]|^[ \t]|[ \t]$/.test(text))
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value)), fc.option(fc.integer({ min: 100, max: 999 })), (fields, status) => {
        expect(parseHeaders(encodeHeaders(fields, status ?? undefined))).toEqual(
          status === null ? { fields } : { status, description: '', fields },
        )
      }),
    )
  })

  it('of any bytes are parsed or refused, in linear time', () => {
    const block = fc.oneof(
      fc.uint8Array(),
      fc.string().map((text) => bytes(`NATS/1.0${text}`)),
    )
    fc.assert(
      fc.property(block, (input) => {
        try {
          parseHeaders(input)
        } catch (error) {
          expect(isSpanwireError(error, 'protocol-violation')).toBe(true)
        }
      }),
    )
    const blanks = ' '.repeat(400_000)
    const value = `a${blanks}b`
    // A backtracking regular expression would take minutes here, and the test would time out.
    expect(parseHeaders(bytes(`NATS/1.0 503 x${blanks}y\r\nA: ${value}\r\n\r\n`)).fields).toEqual([['A', value]])
  })
})
