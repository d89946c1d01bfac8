/** White space in NATS's protocol is a blank or a tab: every reader takes all other white space as a part of a word. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { forbiddenHeader } from '../../bridge/auth/header-permissions.ts'
import { encodeJson } from '../../bridge/http/event-json.ts'
import { readRefusal } from '../../bridge/http/hub-refusal.ts'
import { encodeSse } from '../../bridge/http/sse-body.ts'
import { MessageReader } from '../../bridge/upstream/message-reader.ts'
import { type BusParts, respond } from '../../sdk/bus/request-reply.ts'
import type { ContractEvent } from '../../sdk/contract/contract.ts'
import { EventHeaders } from '../../sdk/contract/event-headers.ts'
import type { ReceivedEvent } from '../../sdk/contract/received-event.ts'
import { SubjectTemplate } from '../../sdk/contract/template.ts'
import { isJetStreamName } from '../../sdk/jetstream/name.ts'
import { encodeCursor, parseCursor } from '../../sdk/replay/cursor.ts'
import { readError } from '../../sdk/transport/websocket/server-error.ts'
import { encodePublish, encodeSubscribe, parseClientOp } from '../../sdk/wire/client-op.ts'
import { Framer } from '../../sdk/wire/client-reader.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { HeaderFields } from '../../sdk/wire/header-fields.ts'
import { encodeHeaders, parseHeaders } from '../../sdk/wire/headers.ts'
import { isChannel, presenceChannel, presenceSubject } from '../../sdk/wire/presence-frames.ts'
import { encodeAckSubject, encodeReplay, parseAckSubject, parseReplay } from '../../sdk/wire/replay-frames.ts'
import { encodeError, encodeInfo, encodeMessage } from '../../sdk/wire/server-op.ts'
import { createServerReader } from '../../sdk/wire/server-reader.ts'
import { isSubject } from '../../sdk/wire/subject.ts'
import { UNICODE_WHITE_SPACE } from '../support/white-space.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (given: Uint8Array) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(given)

/** A token with such white space anywhere in it. */
const token = fc
  .array(fc.constantFrom('a', 'b', '1', ...UNICODE_WHITE_SPACE), { minLength: 1, maxLength: 5 })
  .map((parts) => parts.join(''))
const subject = fc.array(token, { minLength: 1, maxLength: 3 }).map((tokens) => tokens.join('.'))
const blanks = fc.stringMatching(/^[ \t]{1,3}$/)
const payload = fc.string({ maxLength: 8 }).map(bytes)

/** Given a subject, two more of it, or whatever else a property needs. */
const holds = <Values extends [unknown, ...unknown[]]>(
  values: { readonly [Index in keyof Values]: fc.Arbitrary<Values[Index]> },
  property: (values: Values) => void,
) => fc.assert(fc.property(fc.tuple(...values) as unknown as fc.Arbitrary<Values>, property), { numRuns: 300 })

/** Operations that a reader of a server's stream reports, with the stream cut into two at every place. */
function readServer(stream: Uint8Array): unknown[][] {
  return [0, Math.floor(stream.length / 2), stream.length - 1].map((cut) => {
    const seen: unknown[] = []
    const read = createServerReader({
      message: (sid, { subject, reply, headerBlock, payload }) =>
        void seen.push([sid, subject, reply, headerBlock && text(headerBlock), text(payload)]),
      operation: (verb, about) => void seen.push([verb, about]),
    })
    read(stream.subarray(0, cut))
    read(stream.subarray(cut))
    return seen
  })
}

describe('lines', () => {
  it('of a server: MSG and HMSG', () => {
    holds([subject, subject, fc.option(token, { nil: undefined }), payload], ([name, reply, header, body]) => {
      const block = header === undefined ? undefined : encodeHeaders([['A', header]])
      const stream = encodeMessage(name, '7', body, { reply, headers: block })
      const expected = [['7', name, reply, block && text(block), text(body)]]
      for (const seen of readServer(stream)) expect(seen).toEqual(expected)
    })
  })

  it('of a server, with blanks and tabs between the words', () => {
    holds([subject, subject, blanks, blanks, blanks, blanks], ([name, reply, a, b, c, d]) => {
      const stream = bytes(`MSG${a}${name}${b}7${c}${reply}${d}2\r\nhi\r\n`)
      for (const seen of readServer(stream)) expect(seen).toEqual([['7', name, reply, undefined, 'hi']])
    })
  })

  it('of a server: -ERR and INFO', () => {
    holds([token], ([word]) => {
      const info = { server_id: word, server_name: word, version: word, proto: 1, max_payload: 1 }
      for (const [seen] of readServer(encodeInfo(info)) as string[][][]) {
        expect(seen?.[0]).toBe('INFO')
        expect(JSON.parse(seen?.[1] ?? '')).toEqual(info)
      }
      for (const seen of readServer(encodeError(word))) expect(seen).toEqual([['-ERR', word]])
    })
  })

  it('of a server begin with their verb: other white space before it is an error', () => {
    for (const space of UNICODE_WHITE_SPACE) {
      for (const line of ['PING\r\n', 'MSG a 1 0\r\n\r\n', '+OK\r\n'])
        expect(() => readServer(bytes(space + line)), JSON.stringify(space + line)).toThrow()
      expect(() => readServer(bytes(`PING${space}\r\n`)), JSON.stringify(space)).toThrow()
      expect(() => readServer(bytes(`MSG${space}a 1 0\r\n\r\n`)), JSON.stringify(space)).toThrow()
    }
  })

  it('of a server to the bridge', () => {
    holds([subject, subject, payload], ([name, reply, body]) => {
      const seen: unknown[] = []
      const reader = new MessageReader(() => {})
      reader.add(7, {
        filter: '>',
        deliver: ({ subject, reply, payload }) => void seen.push([subject, reply, text(payload)]),
      })
      reader.read(encodeMessage(name, '7', body, { reply }))
      expect(seen).toEqual([[name, reply, text(body)]])
    })
  })

  it('of a client', () => {
    holds([subject, subject, token], ([name, reply, queue]) => {
      const lines: unknown[] = []
      const framer = new Framer(
        {
          line(line) {
            const op = parseClientOp(line)
            lines.push(op)
            return op.verb === 'PUB' ? op.size : -1
          },
          payload() {},
        },
        4_096,
      )
      framer.push(encodePublish(name, bytes('hi'), reply))
      framer.push(encodeSubscribe(name, '7', queue))
      expect(lines).toEqual([
        { verb: 'PUB', subject: name, reply, headerSize: 0, size: 2 },
        { verb: 'SUB', filter: name, queue, sid: '7' },
      ])
    })
  })

  it('of a client begin with their verb', () => {
    for (const space of UNICODE_WHITE_SPACE) {
      expect(() => parseClientOp(`${space}PING`)).toThrow()
      expect(() => parseClientOp(`SUB${space}a 1`)).toThrow()
    }
  })
})

describe('headers', () => {
  it('keep the white space of their values', () => {
    holds([token], ([value]) => {
      const block = encodeHeaders([['A', value]], 410, value)
      expect(parseHeaders(block)).toEqual({ status: 410, description: value, fields: [['A', value]] })
      expect(new EventHeaders(text(block)).get('a')).toBe(value)
    })
  })

  it('with white space in front are not a header block', () => {
    for (const space of UNICODE_WHITE_SPACE) {
      const block = bytes(`${space}NATS/1.0\r\nA: b\r\n\r\n`)
      expect(() => parseHeaders(block)).toThrow()
      expect([...new EventHeaders(text(block))]).toEqual([])
    }
  })

  it('of errors of responders keep their text', async () => {
    for (const space of UNICODE_WHITE_SPACE) {
      const text = `${space}sold${space}out${space}`
      const sent: HeaderFields[] = []
      const transport = { publish: async (_: string, __: Uint8Array, { headers = [] }) => void sent.push(headers) }
      const handler = () => Promise.reject(new SpanwireError('responder-failed', text))
      await respond({ transport } as unknown as BusParts, {} as ContractEvent, handler, { reply: 'a' } as ReceivedEvent)
      expect(new Map(sent[0]).get('Nats-Service-Error')).toBe(text)
    }
  })

  it('name the subject to the bridge that they name to nats-server', () => {
    const permissions = { publish: { allow: ['a'], deny: [] }, subscribe: { allow: [], deny: [] } }
    expect(forbiddenHeader(encodeHeaders([['Nats-Trace-Dest', 'a']]), permissions, false)).toBeUndefined()
    for (const space of [...UNICODE_WHITE_SPACE, '\t', '\v', '\f'])
      expect(forbiddenHeader(encodeHeaders([['Nats-Trace-Dest', `${space}a`]]), permissions, false)).toBe(
        'Nats-Trace-Dest',
      )
  })
})

describe('subjects', () => {
  it('of replays, presence and acknowledgements', () => {
    holds([subject], ([name]) => {
      expect(isSubject(name)).toBe(true)
      expect(parseReplay(encodeReplay({ at: 'all' }, name))).toEqual({ start: { at: 'all' }, filter: name })
      expect(isChannel(name)).toBe(true)
      expect(presenceChannel(presenceSubject(name))).toBe(name)
    })
    holds([token], ([stream]) => {
      expect(isJetStreamName(stream)).toBe(true)
      expect(parseAckSubject(encodeAckSubject(stream, 3, 5, 7))).toMatchObject({ stream, seq: 3, time: 5, pending: 7 })
      expect(parseCursor(encodeCursor({ stream, epoch: 'x', next: 3 }))).toEqual({ stream, epoch: 'x', next: 3 })
    })
  })

  it('of templates', () => {
    holds([token], ([value]) => {
      const template = new SubjectTemplate(`a.{id}.${value}`)
      const name = template.subject({ id: value })
      expect(name).toBe(`a.${value}.${value}`)
      expect(template.params(name)).toEqual({ id: value })
      expect(new SubjectTemplate(`a.{${value}}`).params('a.b')).toEqual({ [value]: 'b' })
    })
  })

  it('numbers are digits, without white space', () => {
    for (const space of UNICODE_WHITE_SPACE) {
      expect(parseReplay(`$EDGE.REPLAY.s${space}1.a`)).toBeUndefined()
      expect(() => parseCursor(`${space}1@x@y`)).toThrow()
      expect(parseAckSubject(`$JS.ACK.S.C.1.${space}2.3.4000000.5`), JSON.stringify(space)).toBeUndefined()
    }
  })
})

describe('refusals', () => {
  /** As nats-server quotes: Go's %q escapes all white space but the blank. */
  const quote = (name: string) =>
    JSON.stringify(name).replace(/[\u0080-\uffff]/g, (character) =>
      UNICODE_WHITE_SPACE.includes(character)
        ? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
        : character,
    )

  it.each([
    ['a bridge', JSON.stringify],
    ['nats-server', quote],
  ] as const)('of %s find their operation', (_, written) => {
    holds([subject, token], ([name, queue]) => {
      const told: unknown[] = []
      const publish = { subject: name, settle: (error?: Error) => void told.push(error) }
      const subscription = { sid: '1', filter: name, queue, end: (error: Error) => void told.push(error) }
      const all = new Map([['1', subscription]])
      readError(`Permissions Violation for Publish to ${written(name)}`, [publish], all)
      readError(`Permissions Violation for Subscription to ${written(name)} using queue ${written(queue)}`, [], all)
      expect(told).toEqual([
        expect.objectContaining({ code: 'permission-denied' }),
        expect.objectContaining({ code: 'permission-denied' }),
      ])
    })
  })

  it('by HTTP name the subject', () => {
    holds([subject], ([name]) => {
      const error = readRefusal(`Permissions Violation for Subscription to ${JSON.stringify(name)}`, [name])
      expect(error).toMatchObject({ code: 'permission-denied', message: expect.stringContaining(JSON.stringify(name)) })
    })
  })
})

it('events of an event stream', () => {
  holds([subject, token], ([name, value]) => {
    const data = encodeJson({ subject: name, payload: bytes(JSON.stringify({ value })) })
    const lines = encodeSse(data, undefined, undefined).split(/\r\n|\r|\n/)
    const found = lines.filter((line) => line.startsWith('data: ')).map((line) => line.slice(6))
    expect(JSON.parse(found.join('\n'))).toEqual({ subject: name, data: { value } })
  })
})
