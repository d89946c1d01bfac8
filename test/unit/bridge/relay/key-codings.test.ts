import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { base64url, hex, type KeyCoding, percent, plain } from '../../../../bridge/relay/index.ts'
import { SubjectTemplate } from '../../../../sdk/contract/template.ts'

const codings: ReadonlyArray<readonly [string, KeyCoding]> = [
  ['percent', percent],
  ['base64url', base64url],
  ['hex', hex],
]
const awkward = [
  'a.b',
  'a b',
  '',
  '*',
  '>',
  '%',
  '%41',
  '=',
  '-',
  '\u0000',
  '\r\nX: y',
  'köln',
  '🚂',
  '$JS.API',
  '.',
  '..',
  '\ufeffa',
]
const template = new SubjectTemplate('orders.{id}.created')

describe.each(codings)('%s', (_, coding) => {
  it.each(awkward)('makes a param of the key %j, and the key of it', (key) => {
    const token = coding.encode(key)
    expect(() => template.subject({ id: token })).not.toThrow()
    expect(Buffer.from(coding.decode(token)).toString()).toBe(key)
  })

  it('is reversible for all bytes, and no two keys share a token', () => {
    const tokens = new Map<string, string>()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (key) => {
        const token = coding.encode(key)
        expect(Buffer.from(coding.decode(token))).toEqual(Buffer.from(key))
        expect(template.params(template.subject({ id: token }))).toEqual({ id: token })
        const text = Buffer.from(key).toString('hex')
        expect(tokens.get(token) ?? text).toBe(text)
        tokens.set(token, text)
      }),
    )
  })

  it('refuses a message without a key, and tokens that it did not write', () => {
    expect(() => coding.encode(undefined)).toThrow(expect.objectContaining({ code: 'invalid-params' }))
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), (token) => {
        let key: Uint8Array
        try {
          key = coding.decode(token)
        } catch {
          return
        }
        // Other spellings of the same bytes are accepted by percent alone, as the browser's decoder does.
        if (coding !== percent) expect(coding.encode(key)).toBe(token)
      }),
    )
  })
})

it('reads percent with the decoder of browsers', () => {
  for (const key of ['a.b', 'köln 🚂', '100%']) expect(decodeURIComponent(percent.encode(key))).toBe(key)
})

describe('plain', () => {
  it('takes keys that are tokens as they are', () => {
    expect(plain.encode('order-42')).toBe('order-42')
    expect(Buffer.from(plain.decode('order-42')).toString()).toBe('order-42')
    // A byte order mark is a part of the key.
    const bytes = Buffer.from('\ufeffx')
    expect(plain.encode(bytes)).toBe('\ufeffx')
    expect(Buffer.from(plain.decode('\ufeffx'))).toEqual(bytes)
  })

  it.each(['a.b', 'a b', '', '*', '>', 'a\u0000'])('refuses the key %j', (key) => {
    expect(() => plain.encode(key)).toThrow(expect.objectContaining({ code: 'invalid-params' }))
  })

  it('refuses bytes that are not UTF-8', () => {
    expect(() => plain.encode(new Uint8Array([0xff, 0xfe]))).toThrow(
      expect.objectContaining({ code: 'invalid-params' }),
    )
  })
})
