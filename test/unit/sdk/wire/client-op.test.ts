import { describe, expect, it } from 'vitest'
import {
  encodeConnect,
  encodePublish,
  encodeSubscribe,
  encodeUnsubscribe,
  parseClientOp,
} from '../../../../sdk/wire/client-op.ts'
import { isSpanwireError } from '../../../../sdk/wire/errors.ts'

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const bytes = (string: string) => new TextEncoder().encode(string)

describe('parseClientOp', () => {
  it.each([
    ['PUB a 5', { verb: 'PUB', subject: 'a', headerSize: 0, size: 5 }],
    ['PUB a b 007', { verb: 'PUB', subject: 'a', reply: 'b', headerSize: 0, size: 7 }],
    ['HPUB a 12 17', { verb: 'PUB', subject: 'a', headerSize: 12, size: 17 }],
    ['HPUB a b 12 12', { verb: 'PUB', subject: 'a', reply: 'b', headerSize: 12, size: 12 }],
    ['HPUB a 0 1', { verb: 'PUB', subject: 'a', headerSize: 0, size: 1 }],
    ['SUB a 1', { verb: 'SUB', filter: 'a', sid: '1' }],
    ['SUB a.* q xyz', { verb: 'SUB', filter: 'a.*', queue: 'q', sid: 'xyz' }],
    ['UNSUB 1', { verb: 'UNSUB', sid: '1', max: 0 }],
    ['UNSUB 1 5', { verb: 'UNSUB', sid: '1', max: 5 }],
    ['PING', { verb: 'PING' }],
    ['pong', { verb: 'PONG' }],
    ['CONNECT {"echo":false}', { verb: 'CONNECT', options: { echo: false } }],
  ])('reads %s', (line, op) => {
    expect(parseClientOp(line)).toEqual(op)
  })

  it.each([
    ['lower case', 'sub a 1', 'SUB a 1'],
    ['mixed case', 'hPuB a 12 12', 'HPUB a 12 12'],
    ['tabs', 'SUB\ta\t1', 'SUB a 1'],
    ['several blanks, also at the end', 'PUB   a \t 1  ', 'PUB a 1'],
    ['text after PING', 'PINGx 1 2', 'PING'],
    ['CONNECT without a blank', 'connect{}', 'CONNECT {}'],
    ['CONNECT null', 'CONNECT null', 'CONNECT {}'],
    ['null for a field', 'CONNECT {"echo":null,"name":null}', 'CONNECT {}'],
    ['a max that is not a number', 'UNSUB 1 x', 'UNSUB 1'],
    ['a negative max', 'UNSUB 1 -1', 'UNSUB 1'],
    ['a max that is too long', 'UNSUB 1 12345678901', 'UNSUB 1'],
  ])('accepts like nats-server: %s', (_, line, same) => {
    expect(parseClientOp(line)).toEqual(parseClientOp(same))
  })

  it.each([
    '',
    ' PING',
    'FOO',
    'PUB',
    'PUB ',
    'PUB a',
    'PUB a b c 1',
    'PUB a x',
    'PUB a -1',
    'PUB a +1',
    'PUB a 1x',
    'PUB a 0x1',
    'PUB a 1.0',
    'PUB a 1234567890',
    'HPUB a 12',
    'HPUB a 13 12',
    'HPUB a -1 1',
    'HPUB a b c 12 12',
    'SUB',
    'SUB a',
    'SUB a b 1 2',
    'UNSUB',
    'UNSUB ',
    'UNSUB 1 2 3',
    'CONNECT',
    'CONNECT {',
    'CONNECT []',
    'CONNECT 1',
    'CONNECT {"verbose":"yes"}',
    'CONNECT {"auth_token":5}',
    'CONNECT {"protocol":true}',
    'MSG a 1 1',
    "-ERR 'x'",
    'INFO {}',
    '\u017fub a 1',
    'P\u0131NG',
    '\ufeffPING',
    'SUB\u00a0a 1',
  ])('refuses %j', (line) => {
    const refusal = catchError(() => parseClientOp(line))
    expect(isSpanwireError(refusal, 'protocol-violation')).toBe(true)
    expect((refusal as Error).message).toBe('Unknown Protocol Operation')
  })

  it('keeps white space that is not NATS white space', () => {
    expect(parseClientOp('UNSUB 1\u00a0')).toEqual({ verb: 'UNSUB', sid: '1\u00a0', max: 0 })
    expect(parseClientOp('UNSUB 1\rx')).toEqual({ verb: 'UNSUB', sid: '1\rx', max: 0 })
  })

  it('does not take a prototype from JSON', () => {
    const op = parseClientOp('CONNECT {"__proto__":{"echo":false},"constructor":1}')
    expect(op.verb === 'CONNECT' && op.options.echo).toBeUndefined()
  })
})

describe('encoding', () => {
  it('writes the examples of the NATS protocol', () => {
    expect(text(encodeSubscribe('a', 1))).toBe('SUB a 1\r\n')
    expect(text(encodeSubscribe('a', 1, 'q'))).toBe('SUB a q 1\r\n')
    expect(text(encodeUnsubscribe(1))).toBe('UNSUB 1\r\n')
    expect(text(encodePublish('a', bytes('hi')))).toBe('PUB a 2\r\nhi\r\n')
    expect(text(encodePublish('a', bytes(''), 'r'))).toBe('PUB a r 0\r\n\r\n')
    expect(text(encodePublish('a', bytes('hi'), 'r', bytes('NATS/1.0\r\n\r\n')))).toBe(
      'HPUB a r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n',
    )
    expect(text(encodeConnect({ verbose: false }))).toBe('CONNECT {"verbose":false}\r\n')
  })

  it('counts bytes, not characters', () => {
    expect(text(encodePublish('ä', bytes('日本')))).toBe('PUB ä 6\r\n日本\r\n')
  })
})

function catchError(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  return undefined
}
