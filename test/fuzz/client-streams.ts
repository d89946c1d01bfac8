import fc from 'fast-check'

/** One valid operation of a client, as text of single bytes (latin1). */
const token = fc.stringMatching(/^[a-c]{1,3}$/)
const subject = fc.array(token, { minLength: 1, maxLength: 3 }).map((tokens) => `fuzz.${tokens.join('.')}`)
const filter = fc.oneof(
  subject,
  subject.map((name) => `${name}.*`),
  subject.map((name) => `${name}.>`),
)
const payload = fc.oneof(
  fc.constantFrom('', '\r\n', 'PING\r\n', 'x'),
  fc.string({ unit: 'binary-ascii', maxLength: 40 }),
)
const sid = fc.integer({ min: 1, max: 5 })
const block = fc.array(fc.tuple(token, token), { maxLength: 3 }).map((fields) => {
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`)
  return `NATS/1.0\r\n${lines.join('')}\r\n`
})

export const operation: fc.Arbitrary<string> = fc.oneof(
  fc.tuple(subject, payload).map(([name, body]) => `PUB ${name} ${body.length}\r\n${body}\r\n`),
  fc
    .tuple(subject, subject, payload)
    .map(([name, reply, body]) => `PUB ${name} ${reply} ${body.length}\r\n${body}\r\n`),
  fc
    .tuple(subject, block, payload)
    .map(([name, head, body]) => `HPUB ${name} ${head.length} ${head.length + body.length}\r\n${head}${body}\r\n`),
  fc.tuple(filter, sid).map(([name, id]) => `SUB ${name} ${id}\r\n`),
  fc.tuple(filter, token, sid).map(([name, queue, id]) => `SUB ${name} ${queue} ${id}\r\n`),
  fc.tuple(sid, fc.nat(3)).map(([id, max]) => (max === 0 ? `UNSUB ${id}\r\n` : `UNSUB ${id} ${max}\r\n`)),
  fc.constantFrom('PING\r\n', 'PONG\r\n', 'CONNECT {"verbose":false,"headers":true}\r\n'),
)

/** A valid stream. */
export const validStream: fc.Arbitrary<string> = fc
  .array(operation, { minLength: 1, maxLength: 8 })
  .map((ops) => ops.join(''))

const piece = fc.oneof(
  fc.constantFrom(
    '\r',
    '\n',
    '\r\n',
    ' ',
    '\t',
    '\0',
    '\xff',
    '.',
    '..',
    '*',
    '>',
    '-',
    '0',
    '999999999',
    '9999999999',
    '{',
    'PUB ',
    'SUB ',
  ),
  fc.string({ unit: 'binary-ascii', maxLength: 4 }),
)

/** A valid stream with some bytes removed, inserted or replaced. */
export const mutatedStream: fc.Arbitrary<string> = fc
  .tuple(validStream, fc.array(fc.tuple(fc.nat(10_000), fc.nat(6), piece), { minLength: 1, maxLength: 3 }))
  .map(([stream, mutations]) => {
    let text = stream
    for (const [place, cut, put] of mutations) {
      const at = place % (text.length + 1)
      text = text.slice(0, at) + put + text.slice(at + cut)
    }
    return text
  })

/** Encodes such a text. */
export function toBytes(latin1: string): Uint8Array {
  return Uint8Array.from(latin1, (character) => character.charCodeAt(0))
}
