import { beforeEach, expect, it } from 'vitest'
import { MessageReader } from '../../../../bridge/upstream/message-reader.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (part: Uint8Array | undefined) => part && new TextDecoder().decode(part)

let seen: string[]
let reader: MessageReader

/** Creates a subscription that records its messages. */
function listen(sid: number, filter: string): void {
  reader.add(sid, {
    filter,
    deliver({ subject, reply, headers, payload }) {
      seen.push(`${sid} ${subject} ${reply} ${text(headers)} ${text(payload)}`)
    },
  })
}

beforeEach(() => {
  seen = []
  reader = new MessageReader((lines) => void seen.push(text(lines) ?? ''))
  listen(1, 'a.b')
  listen(2, 'a.*')
})

it('passes on messages and other complete lines in order', () => {
  reader.read(bytes('PING\r\nMSG a.b 1 2\r\nhi\r\nINFO {"a":1}\r\nMSG a.b 2 _R.1 0\r\n\r\n+OK\r\n'))
  expect(seen).toEqual([
    'PING\r\n',
    '1 a.b undefined undefined hi',
    'INFO {"a":1}\r\n',
    '2 a.b _R.1 undefined ',
    '+OK\r\n',
  ])
})

it('separates headers and payload, and omits an empty header block', () => {
  reader.read(bytes('HMSG a.b 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\nHMSG a.b 1 _R 0 2\r\nho\r\n'))
  expect(seen).toEqual(['1 a.b undefined NATS/1.0\r\n\r\n hi', '1 a.b _R undefined ho'])
})

it('passes on the subject of the message, not of the subscription', () => {
  // JetStream delivers messages with their own subjects to an inbox.
  listen(3, '_INBOX.a')
  reader.read(
    bytes('MSG a.x 2 0\r\n\r\nMSG a.b 2 0\r\n\r\nMSG a.b 1 0\r\n\r\nMSG orders.1 3 0\r\n\r\nMSG a.é 2 0\r\n\r\n'),
  )
  expect(seen.map((line) => line.split(' ')[1])).toEqual(['a.x', 'a.b', 'a.b', 'orders.1', 'a.é'])
})

it('accepts two spaces between arguments, which nats-server 2.9 writes without a reply subject', () => {
  reader.read(bytes('MSG a.b 1  2\r\nhi\r\n'))
  expect(seen).toEqual(['1 a.b undefined undefined hi'])
})

it('drops messages of unknown and ended subscriptions', () => {
  reader.delete(1)
  reader.read(bytes('MSG a.b 1 2\r\nhi\r\nMSG a.b 9 2\r\nhi\r\nPONG\r\n'))
  expect(seen).toEqual(['PONG\r\n'])
})

it('drops the messages of all subscriptions after clear', () => {
  reader.clear()
  reader.read(bytes('MSG a.b 1 2\r\nhi\r\nMSG a.b 2 2\r\nhi\r\nPONG\r\n'))
  expect(seen).toEqual(['PONG\r\n'])
})

it('passes on plain Uint8Arrays', () => {
  let payload: Uint8Array | undefined
  reader.add(7, {
    filter: 'x',
    deliver(message) {
      payload = message.payload
    },
  })
  reader.read(Buffer.from('MSG x 7 2\r\nhi\r\n'))
  expect(Object.getPrototypeOf(payload)).toBe(Uint8Array.prototype)
})

it('counts bytes, also within a message', () => {
  reader.read(bytes('MSG a.b 1 10\r\nhal'))
  expect(reader.received).toBe(17)
  expect(seen).toEqual([])
})

it.each([
  ['a wrong length', 'MSG a.b 1 2\r\nhi!\r\n'],
  ['a wrong length', 'HMSG a.b 1 3 2\r\nhi\r\n'],
  ['an unknown operation', 'MSG a.b 1\r\n'],
  ['an unknown operation', 'MSG a.b 1 r 2 3\r\n'],
  ['not a number', 'MSG a.b 1 x\r\n'],
  ['not a number', 'MSG a.b x 0\r\n\r\n'],
  ['a line without an end', 'x'.repeat(65_537)],
])('rejects %s: %j', (message, stream) => {
  expect(() => reader.read(bytes(stream))).toThrow(message)
})
