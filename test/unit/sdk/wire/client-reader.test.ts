import { describe, expect, it } from 'vitest'
import { Framer } from '../../../../sdk/wire/client-reader.ts'
import { isSpanwireError } from '../../../../sdk/wire/errors.ts'

const encode = (text: string) => new TextEncoder().encode(text)

/** A framer that records lines and payloads. A line such as `P <size>` announces a payload. */
function recorder(maxLine = 64): { framer: Framer; seen: string[] } {
  const seen: string[] = []
  const framer = new Framer(
    {
      line(line) {
        seen.push(`line ${line}`)
        return line.startsWith('P ') ? Number(line.slice(2)) : -1
      },
      payload: (bytes) => void seen.push(`payload ${new TextDecoder().decode(bytes)}`),
    },
    maxLine,
  )
  return { framer, seen }
}

describe('Framer', () => {
  it('splits lines and payloads', () => {
    const { framer, seen } = recorder()
    framer.push(encode('A\r\nP 3\r\nx\r\n\r\nP 0\r\n\r\nB\n'))
    expect(seen).toEqual(['line A', 'line P 3', 'payload x\r\n', 'line P 0', 'payload ', 'line B'])
    expect(framer.midway).toBe(false)
  })

  it('reports whether it is inside a frame', () => {
    const { framer } = recorder()
    for (const byte of 'P 2\r\nab\r') {
      framer.push(encode(byte))
      expect(framer.midway).toBe(true)
    }
    framer.push(encode('\n'))
    expect(framer.midway).toBe(false)
  })

  it.each(['P 1\r\nab\r\n', 'P 1\r\na\n\n', 'P 1\r\na\r\r', 'P 2\r\na\r\nA\r\n'])(
    'refuses a payload with a wrong size: %j',
    (text) => {
      const { framer, seen } = recorder()
      expect(() => framer.push(encode(text))).toThrow('Unknown Protocol Operation')
      expect(seen).toHaveLength(1)
    },
  )

  it('refuses a line without an end at the limit, in one chunk or byte by byte', () => {
    for (const size of [1, 7, 4096, 10_000_000]) {
      const { framer } = recorder(4096)
      const chunk = new Uint8Array(size).fill(97)
      let pushed = 0
      let refused: unknown
      while (refused === undefined) {
        try {
          framer.push(chunk)
          pushed += size
        } catch (error) {
          refused = error
        }
      }
      expect(isSpanwireError(refused, 'payload-too-large')).toBe(true)
      expect(pushed).toBeLessThanOrEqual(4096)
    }
  })

  it('accepts a line of exactly the limit', () => {
    const { framer, seen } = recorder(8)
    framer.push(encode('1234567\r\n'))
    expect(seen).toEqual(['line 1234567'])
    expect(() => framer.push(encode('12345678\r\n'))).toThrow('maximum control line exceeded')
  })

  it.each([1, 7, 100])('lets the handler permit a longer line, in pieces of %i bytes', (size) => {
    const seen: string[] = []
    const handler = {
      line: (line: string) => seen.push(line) - seen.length - 1,
      payload: () => {},
      longLine: (line: Uint8Array) => line[0] === 76 && line.length <= 16,
    }
    const push = (text: string) => {
      const framer = new Framer(handler, 8)
      const bytes = encode(text)
      for (let at = 0; at < bytes.length; at += size) framer.push(bytes.subarray(at, at + size))
    }
    push('L234567890\r\nA\r\n')
    expect(seen).toEqual(['L234567890', 'A'])
    for (const text of ['L2345678901234567\r\n', 'A234567890\r\n'])
      expect(() => push(text)).toThrow('maximum control line exceeded')
  })

  it.each([1, 2, 5, 100])(
    'hands on the same, in pieces of %i bytes, if it is paused after every line or payload',
    (size) => {
      const seen: string[] = []
      const framer: Framer = new Framer(
        {
          line(line) {
            seen.push(line)
            if (line.startsWith('P ')) return Number(line.slice(2))
            framer.pause()
            return -1
          },
          payload(bytes) {
            seen.push(new TextDecoder().decode(bytes))
            framer.pause()
          },
        },
        64,
      )
      const stream = encode('A\r\nP 3\r\nx\r\n\r\nB\r\nP 0\r\n\r\nC\r\n')
      const counts: number[] = []
      for (let at = 0; at < stream.length; at += size) framer.push(stream.subarray(at, at + size))
      expect(seen).toEqual(['A'])
      expect(framer.held).toBe(stream.length - 3)
      while (framer.paused && framer.held > 0) {
        framer.resume()
        counts.push(seen.length)
      }
      expect(seen).toEqual(['A', 'P 3', 'x\r\n', 'B', 'P 0', '', 'C'])
      // One line, or one line with its payload, for each time.
      expect(counts).toEqual([3, 4, 6, 7])
      expect(framer.midway).toBe(false)
    },
  )

  it('keeps a byte order mark, which is not part of a verb', () => {
    const { framer, seen } = recorder()
    framer.push(encode('\ufeffA\r\n'))
    expect(seen).toEqual(['line \ufeffA'])
  })

  it('does not keep the chunks of a client that sends single bytes of a large payload', () => {
    const { framer, seen } = recorder()
    framer.push(encode('P 200000\r\n'))
    const before = process.memoryUsage().arrayBuffers
    // Each byte comes in a chunk of its own, as from a socket that hands out slices of large reads.
    for (let i = 0; i < 200_000; i++) framer.push(new Uint8Array(64).subarray(0, 1))
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8_000_000)
    framer.push(encode('\r\n'))
    expect(seen).toHaveLength(2)
  })

  it('returns payloads that later chunks do not overwrite', () => {
    const payloads: Uint8Array[] = []
    const framer = new Framer({ line: (line) => Number(line), payload: (bytes) => void payloads.push(bytes) }, 64)
    for (const byte of '3\r\nabc\r\n3\r\nxyz\r\n') framer.push(encode(byte))
    expect(payloads.map((bytes) => new TextDecoder().decode(bytes))).toEqual(['abc', 'xyz'])
  })
})
