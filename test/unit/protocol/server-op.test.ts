import { describe, expect, it } from 'vitest'
import { isSpanwireError } from '../../../sdk/errors.ts'
import { encodeError, encodeInfo, encodeMessage, parseServerOp } from '../../../sdk/protocol/server-op.ts'

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const bytes = (string: string) => new TextEncoder().encode(string)

describe('parseServerOp', () => {
  it.each([
    ['MSG a 1 5', { verb: 'MSG', subject: 'a', sid: '1', headerSize: 0, size: 5 }],
    ['MSG a 1 r 5', { verb: 'MSG', subject: 'a', sid: '1', reply: 'r', headerSize: 0, size: 5 }],
    ['HMSG a 1 12 17', { verb: 'MSG', subject: 'a', sid: '1', headerSize: 12, size: 17 }],
    ['HMSG a 1 r 12 17', { verb: 'MSG', subject: 'a', sid: '1', reply: 'r', headerSize: 12, size: 17 }],
    ['MSG a 1 007', { verb: 'MSG', subject: 'a', sid: '1', headerSize: 0, size: 7 }],
    ['PING', { verb: 'PING' }],
    ['+OK', { verb: '+OK' }],
    ["-ERR 'Slow Consumer'", { verb: '-ERR', message: 'Slow Consumer' }],
    [
      "-ERR 'Permissions Violation for Publish to \"it's\"'",
      { verb: '-ERR', message: 'Permissions Violation for Publish to "it\'s"' },
    ],
    ['INFO {"version":"2.10.0"} ', { verb: 'INFO', info: { version: '2.10.0' } }],
  ])('reads %s', (line, op) => {
    expect(parseServerOp(line)).toEqual(op)
  })

  it.each([
    '',
    'MSG',
    'MSG a 1',
    'MSG a 1 x',
    'MSG a 1 -1',
    'MSG a 1 1e3',
    'MSG a 1 0x10',
    'MSG a 1 r s 1',
    'HMSG a 1 13 12',
    'HMSG a 1 12',
    'INFO',
    'INFO {',
    'INFO null',
    'PUB a 1',
    'HTTP/1.1 200 OK',
  ])('refuses %j', (line) => {
    let refusal: unknown
    try {
      parseServerOp(line)
    } catch (error) {
      refusal = error
    }
    expect(isSpanwireError(refusal, 'protocol-violation')).toBe(true)
  })
})

describe('encoding', () => {
  it('writes what the protocol page shows', () => {
    expect(text(encodeMessage('a', '1', bytes('hi')))).toBe('MSG a 1 2\r\nhi\r\n')
    expect(text(encodeMessage('a', '1', bytes('hi'), 'r', bytes('NATS/1.0\r\n\r\n')))).toBe(
      'HMSG a 1 r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n',
    )
    expect(text(encodeError('Slow Consumer'))).toBe("-ERR 'Slow Consumer'\r\n")
    expect(text(encodeInfo({ server_id: 'x', version: '2.10.0', proto: 1, max_payload: 1 }))).toBe(
      'INFO {"server_id":"x","version":"2.10.0","proto":1,"max_payload":1}\r\n',
    )
  })
})
