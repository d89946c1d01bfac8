import { decode, encode } from '../../sdk/wire/bytes.ts'

/** A line of a header block that begins with `Nats-`, in letters of any case. */
export interface NatsHeaderLine {
  /** Name in its original case. */
  readonly name: string
  /** Without the blanks before it; empty if the line has no end. */
  readonly value: string
  /** Positions of the line, of its value, and of the next line. */
  readonly start: number
  readonly valueStart: number
  readonly end: number
  /** Whether the line ends with CRLF. */
  readonly whole: boolean
}

const CR = 13
const LF = 10
const BLANK = 32
const COLON = 58
const PREFIX = encode('nats-')

/** The lines that nats-server may obey: it takes a name only where a line begins, and a value up to the line's end. */
export function* natsHeaderLines(block: Uint8Array): Iterable<NatsHeaderLine> {
  for (let at = block.indexOf(CR); at >= 0; at = block.indexOf(CR, at + 1)) {
    const start = at + 2
    if (!hasPrefix(block, start)) continue
    const cr = block.indexOf(CR, start)
    const lineEnd = cr < 0 ? block.length : cr
    const whole = block[lineEnd + 1] === LF
    const colon = block.indexOf(COLON, start)
    const nameEnd = colon < 0 || colon > lineEnd ? lineEnd : colon
    let valueStart = Math.min(nameEnd + 1, lineEnd)
    while (valueStart < lineEnd && block[valueStart] === BLANK) valueStart++
    yield {
      name: decode(block.subarray(start, nameEnd)),
      value: whole ? decode(block.subarray(valueStart, lineEnd)) : '',
      start,
      valueStart,
      end: whole ? lineEnd + 2 : block.length,
      whole,
    }
  }
}

/** Also in capitals, which are the small letters with their 6th bit; '-' has it. */
function hasPrefix(block: Uint8Array, start: number): boolean {
  for (let i = 0; i < PREFIX.length; i++) if (((block[start + i] ?? 0) | 32) !== PREFIX[i]) return false
  return true
}
