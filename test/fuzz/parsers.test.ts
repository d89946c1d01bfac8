import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MessageReader } from '../../bridge/upstream/message-reader.ts'
import { parseClientOp } from '../../sdk/wire/client-op.ts'
import { Framer } from '../../sdk/wire/client-reader.ts'
import { isSpanwireError } from '../../sdk/wire/errors.ts'
import { encodeError, encodeMessage } from '../../sdk/wire/server-op.ts'
import { createServerReader } from '../../sdk/wire/server-reader.ts'
import { mutatedStream, toBytes, validStream } from './client-streams.ts'

type Read = (chunks: readonly Uint8Array[]) => unknown[]

/** Parses a client's stream into operations, payloads, and the error that ended it. */
function readClient(chunks: readonly Uint8Array[]): unknown[] {
  const seen: unknown[] = []
  const framer = new Framer(
    {
      line(line) {
        const op = parseClientOp(line)
        seen.push(op)
        return 'size' in op ? (op.size as number) : -1
      },
      payload: (bytes) => void seen.push([...bytes]),
    },
    4096,
  )
  try {
    for (const chunk of chunks) framer.push(chunk)
    seen.push(framer.midway)
  } catch (error) {
    if (!isSpanwireError(error, 'protocol-violation') && !isSpanwireError(error, 'payload-too-large')) throw error
    seen.push(error.message)
  }
  return seen
}

/** Parses a server's stream. */
function readServer(chunks: readonly Uint8Array[]): unknown[] {
  const seen: unknown[] = []
  const read = createServerReader({
    message: (sid, { subject, reply, headerBlock = [], payload }) =>
      void seen.push([sid, subject, reply, [...headerBlock], [...payload]]),
    operation: (verb, text) => void seen.push([verb, text]),
  })
  try {
    for (const chunk of chunks) read(chunk)
  } catch (error) {
    seen.push((error as Error).message)
  }
  return seen
}

/** Parses a server's stream with the reader of the bridge. */
function readUpstream(chunks: readonly Uint8Array[]): unknown[] {
  const seen: unknown[] = []
  const reader = new MessageReader((lines) => void seen.push([...lines]))
  for (const [sid, filter] of [[1, 'a.b'] as const, [2, 'a.*'] as const])
    reader.add(sid, {
      filter,
      deliver: ({ subject, reply, headers = [], payload }) =>
        void seen.push([sid, subject, reply, [...headers], [...payload]]),
    })
  try {
    for (const chunk of chunks) reader.read(chunk)
  } catch (error) {
    seen.push((error as Error).message)
  }
  return seen
}

function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...places].map((start, index) => bytes.subarray(start, places[index] ?? bytes.length))
}

const serverStream = fc
  .array(
    fc.oneof(
      fc.constantFrom('PING\r\n', 'PONG\r\n', '+OK\r\n', 'INFO {"max_payload":1}\r\n').map((text) => toBytes(text)),
      fc.string().map((text) => encodeError(JSON.stringify(text))),
      fc
        .tuple(
          fc.constantFrom('a.b', 'a.c', 'a.bb'),
          fc.constantFrom('1', '2', '12'),
          fc.uint8Array({ maxLength: 30 }),
          fc.boolean(),
        )
        .map(([subject, sid, payload, headers]) =>
          encodeMessage(subject, sid, payload, {
            reply: 'r',
            headers: headers ? toBytes('NATS/1.0\r\nA: b\r\n\r\n') : undefined,
          }),
        ),
    ),
    { minLength: 1, maxLength: 6 },
  )
  .map((frames) => toBytes(frames.map((frame) => String.fromCharCode(...frame)).join('')))

describe('streams of bytes', () => {
  it.each([
    ['a client', readClient as Read, validStream.map(toBytes)],
    ['a server', readServer as Read, serverStream],
    ['a server to the bridge', readUpstream as Read, serverStream],
  ])('of %s have the same meaning however they are split', (_, read, streams) => {
    fc.assert(
      fc.property(streams, fc.array(fc.nat(10_000), { maxLength: 6 }), (stream, cuts) => {
        const whole = read([stream])
        // No stream ended with an error.
        expect(typeof whole.at(-1)).not.toBe('string')
        expect(read(Array.from(stream, (byte) => Uint8Array.of(byte)))).toEqual(whole)
        expect(read(split(stream, cuts))).toEqual(whole)
        const at = (cuts[0] ?? 0) % stream.length
        expect(read([stream.subarray(0, at), new Uint8Array(0), stream.subarray(at)])).toEqual(whole)
      }),
      { numRuns: 150 },
    )
  })

  it.each([
    ['mutated streams', mutatedStream.map(toBytes)],
    ['random bytes', fc.uint8Array({ maxLength: 400 })],
  ])('of %s result in operations or a protocol violation, however they are split', (_, streams) => {
    fc.assert(
      fc.property(streams, fc.array(fc.nat(10_000), { maxLength: 6 }), (stream, cuts) => {
        for (const read of [readClient, readServer, readUpstream]) {
          expect(read(split(stream, cuts))).toEqual(read([stream]))
        }
      }),
      { numRuns: 1_000 },
    )
  })
})
