import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  encodeFrame,
  headerOf,
  type StompFrame,
  StompReader,
} from '../../../../../bridge/relay/activemq/stomp-frame.ts'

const text = (frame: StompFrame) => Buffer.from(frame.body).toString()
const bytes = (given: string) => new TextEncoder().encode(given)
const MOST = 1_000_000

describe('STOMP frames', () => {
  it('are read as they were written, in chunks of any size', () => {
    const header = fc.tuple(fc.string({ minLength: 1, maxLength: 12 }), fc.string({ maxLength: 20 }))
    const frame = fc.record({
      headers: fc.array(header, { maxLength: 6 }),
      body: fc.option(fc.uint8Array({ maxLength: 300 }), { nil: undefined }),
    })
    const property = fc.property(
      fc.array(frame, { minLength: 1, maxLength: 6 }),
      fc.array(fc.nat(50)),
      (frames, cuts) => {
        const own = frames.map(({ headers, body }) => ({
          headers: headers.filter(([name]) => name !== 'content-length'),
          body,
        }))
        const all = Buffer.concat(own.map(({ headers, body }) => encodeFrame('MESSAGE', headers, body)))
        const reader = new StompReader(MOST)
        const read: StompFrame[] = []
        let at = 0
        for (const cut of cuts) {
          read.push(...reader.push(all.subarray(at, at + cut)))
          at += cut
        }
        read.push(...reader.push(all.subarray(at)))
        expect(read.length).toBe(own.length)
        read.forEach(({ headers, body }, index) => {
          const given = own[index]
          expect(headers.filter(([name]) => name !== 'content-length')).toEqual(
            given?.headers.map(([name, value]) => [toUtf8(name), toUtf8(value)]),
          )
          expect(Buffer.from(body)).toEqual(Buffer.from(given?.body ?? []))
        })
      },
    )
    fc.assert(property)
  })

  it('with a body without a length end at NUL', () => {
    const reader = new StompReader(MOST)
    const frames = reader.push(bytes('MESSAGE\nid:1\n\nhello\0\n\nRECEIPT\r\nreceipt-id:7\r\n\r\n\0\n'))
    expect(frames.map(({ command }) => command)).toEqual(['MESSAGE', 'RECEIPT'])
    expect(frames.map(text)).toEqual(['hello', ''])
    expect(frames.map((frame) => headerOf(frame, 'receipt-id'))).toEqual([undefined, '7'])
  })

  it('keep what a value has that would break a line', () => {
    const frame = encodeFrame('SEND', [['x', 'a\r\nreceipt:1:\\']])
    expect(Buffer.from(frame).toString()).toBe('SEND\nx:a\\r\\nreceipt\\c1\\c\\\\\n\n\0')
  })

  it('take the first of a header that comes again', () => {
    const [frame] = new StompReader(MOST).push(bytes('MESSAGE\na:1\na:2\n\n\0'))
    expect(frame && headerOf(frame, 'a')).toBe('1')
  })

  it.each([
    ['MESSAGE\nno colon\n\n\0', /not a header/],
    ['MESSAGE\na:\\t\n\n\0', /escape/],
    ['MESSAGE\ncontent-length:-1\n\n\0', /-1 bytes/],
    ['MESSAGE\ncontent-length:1e3\n\n\0', /1e3 bytes/],
    ['MESSAGE\ncontent-length:2000000\n\n', /2000000 bytes/],
    ['MESSAGE\ncontent-length:1\n\nab\0', /longer than its content-length/],
    [`MESSAGE\nx:${'y'.repeat(300_000)}`, /headers are longer/],
    [`MESSAGE\n\n${'y'.repeat(MOST + 1)}`, /body is over/],
  ])('that break the protocol are refused: %#', (given, why) => {
    const reader = new StompReader(MOST)
    const push = () => {
      const all = bytes(given)
      for (let at = 0; at < all.length; at += 50_000) reader.push(all.subarray(at, at + 50_000))
    }
    expect(push).toThrow(expect.objectContaining({ code: 'protocol-violation', message: expect.stringMatching(why) }))
  })

  it('of any bytes throw nothing else, and bound what they hold', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }), (chunks) => {
        const reader = new StompReader(100)
        try {
          for (const chunk of chunks) reader.push(chunk)
        } catch (error) {
          expect(error).toMatchObject({ code: 'protocol-violation' })
        }
      }),
    )
  })
})

/** Half a surrogate pair cannot be written in UTF-8. */
function toUtf8(given: string): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(new TextEncoder().encode(given))
}
