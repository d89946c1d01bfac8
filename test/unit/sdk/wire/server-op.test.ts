import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeError, encodeInfo, encodeMessage } from '../../../../sdk/wire/server-op.ts'
import { createServerReader } from '../../../../sdk/wire/server-reader.ts'

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const bytes = (string: string) => new TextEncoder().encode(string)

function recorder(): { seen: unknown[]; read: (text: string) => void } {
  const seen: unknown[] = []
  const read = createServerReader({
    message: (sid, { subject, reply, headerBlock, payload }) =>
      void seen.push({
        sid,
        subject,
        reply,
        ...(headerBlock && { headers: text(headerBlock) }),
        payload: text(payload),
      }),
    operation: (verb, about) => void seen.push(about ? [verb, about] : verb),
  })
  return { seen, read: (string) => read(bytes(string)) }
}

describe('createServerReader', () => {
  it.each([
    ['MSG a 1 5\r\nhello\r\n', { sid: '1', subject: 'a', payload: 'hello' }],
    ['MSG a 1 r 5\r\nhel\r\n\r\n', { sid: '1', subject: 'a', reply: 'r', payload: 'hel\r\n' }],
    ['MSG a 1 7 0\r\n\r\n', { sid: '1', subject: 'a', reply: '7', payload: '' }],
    [
      'HMSG a 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n',
      { sid: '1', subject: 'a', headers: 'NATS/1.0\r\n\r\n', payload: 'hi' },
    ],
    ['HMSG a 1 r 2 2\r\n\r\n\r\n', { sid: '1', subject: 'a', reply: 'r', headers: '\r\n', payload: '' }],
    ['HMSG a 1 5 0 1\r\nx\r\n', { sid: '1', subject: 'a', reply: '5', headers: '', payload: 'x' }],
    ['MSG a 1  1\r\nx\r\n', { sid: '1', subject: 'a', payload: 'x' }],
    ['MSG a 1 001\r\nx\r\n', { sid: '1', subject: 'a', payload: 'x' }],
    ['PING\r\n', 'PING'],
    ['PONG\n', 'PONG'],
    ['+OK\r\n', '+OK'],
    ["-ERR 'Slow Consumer'\r\n", ['-ERR', 'Slow Consumer']],
    [`-ERR 'Permissions Violation for Publish to "it's"'\r\n`, ['-ERR', `Permissions Violation for Publish to "it's"`]],
    ['INFO {"version":"2.10.0"} \r\n', ['INFO', '{"version":"2.10.0"}']],
  ])('reads %j', (stream, operation) => {
    const { seen, read } = recorder()
    read(stream + stream)
    expect(seen).toEqual([operation, operation])
  })

  it.each([
    '\r\n',
    'MSG\r\n',
    'MSG a 1\r\n',
    'MSG a 1 x\r\n',
    'MSG a 1 -1\r\n',
    'MSG a 1 1e3\r\n',
    'MSG a 1 0x10\r\n',
    'MSG a 1 9999999999\r\n',
    'MSG a 1 r s 1\r\n',
    'MSG a 1 1\r\nxy\r\n',
    'MSG a 1 1\r\nx\n\n',
    'HMSG a 1\r\n',
    'INFO\r\n',
    'PUB a 1\r\n',
    'constructor\r\n',
    'HTTP/1.1 200 OK\r\n',
    'x'.repeat(65_537),
  ])('refuses %j', (stream) => {
    const { seen, read } = recorder()
    expect(() => read(stream)).toThrow()
    expect(seen).toEqual([])
  })

  it.each(['MSG a 1 r 7 1\r\nx\r\n', 'HMSG a 1 13 12\r\n123456789012\r\n', 'HMSG a 1 r 12\r\n123456789012\r\n'])(
    'skips a message with wrong lengths: its contents throw: %j',
    (stream) => {
      const seen: unknown[] = []
      const read = createServerReader({
        message(sid, message) {
          if (sid === '2') return seen.push(message.payload.length)
          seen.push([sid, message.subject, message.headerBlock])
          expect(() => message.payload).toThrow(expect.objectContaining({ code: 'protocol-violation' }))
          expect(message.text).toBeUndefined()
        },
        operation: (verb) => seen.push(verb),
      })
      read(bytes(`${stream}MSG b 2 1\r\nx\r\n${stream}PING\r\n`))
      const skipped = ['1', 'a', undefined]
      expect(seen).toEqual([skipped, 1, skipped, 'PING'])
    },
  )

  it('returns text only if it equals the decoded payload, and always for ASCII', () => {
    const ascii = fc.string({ unit: 'binary-ascii' }).map(bytes)
    const payloads = fc.array(fc.oneof(ascii, fc.string({ unit: 'binary' }).map(bytes), fc.uint8Array()))
    fc.assert(
      fc.property(fc.array(payloads), (chunks) => {
        for (const chunk of chunks) {
          const isAscii = chunk.every((payload) => payload.every((byte) => byte < 128))
          const read = createServerReader({
            message: (_, { payload, text: given }) => {
              if (isAscii || given !== undefined) expect(given).toBe(text(payload))
            },
            operation: () => undefined,
          })
          read(Buffer.concat(chunk.map((payload) => encodeMessage('a', '1', payload))))
        }
      }),
    )
  })
})

describe('encoding', () => {
  it('writes the examples of the NATS protocol', () => {
    expect(text(encodeMessage('a', '1', bytes('hi')))).toBe('MSG a 1 2\r\nhi\r\n')
    expect(text(encodeMessage('a', '1', bytes('hi'), { reply: 'r', headers: bytes('NATS/1.0\r\n\r\n') }))).toBe(
      'HMSG a 1 r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n',
    )
    expect(text(encodeError('Slow Consumer'))).toBe("-ERR 'Slow Consumer'\r\n")
    expect(text(encodeInfo({ server_id: 'x', version: '2.10.0', proto: 1, max_payload: 1 }))).toBe(
      'INFO {"server_id":"x","version":"2.10.0","proto":1,"max_payload":1}\r\n',
    )
  })
})
