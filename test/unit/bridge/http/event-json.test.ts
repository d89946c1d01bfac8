import { describe, expect, it } from 'vitest'
import { encodeJson } from '../../../../bridge/http/event-json.ts'

const encode = (text: string) => new TextEncoder().encode(text)

describe('encodeJson', () => {
  it.each(['9007199254740993', '1e400', '{"a":1,"a":2}', ' [ 1 ,\t2 ] ', '"\\u0041\\/"', '-0', '"\u2028"'])(
    'keeps the payload %s as it was published',
    (text) => {
      expect(encodeJson({ subject: 'a', payload: encode(text) })).toBe(`{"subject":"a","data":${text}}`)
    },
  )

  it('makes one line of JSON with line breaks', () => {
    const text = encodeJson({ subject: 'a', payload: encode('{\r\n  "a": "\\n"\n}') })
    expect(text).toBe('{"subject":"a","data":{    "a": "\\n" }}')
  })

  it.each(['', 'text', '{"a":', '\ufeff1', '1 2'])('encodes %j as base64 if it is not JSON', (text) => {
    const { data, base64 = '' } = JSON.parse(encodeJson({ subject: 'a', payload: encode(text) }))
    expect([data, Buffer.from(base64, 'base64').toString()]).toEqual([undefined, text])
  })
})
