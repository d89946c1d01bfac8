import { SpanwireError } from '../../sdk/wire/errors.ts'
import { type JsonMember, readMembers } from '../auth/json-members.ts'
import { checkHeaders, EXPECTATIONS, readExpectation, type Submission } from './submission.ts'

const NEWLINE = 10
const BLANKS = new Set([9, 13, 32])
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf]

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Cuts a batch into its lines, including empty ones.
 * @returns undefined if there are more than `max`: a body of nothing but line ends has millions
 */
export function splitLines(bytes: Uint8Array, max: number): Uint8Array[] | undefined {
  const lines: Uint8Array[] = []
  // As some editors put it in front of a file.
  let at = BYTE_ORDER_MARK.every((byte, index) => bytes[index] === byte) ? BYTE_ORDER_MARK.length : 0
  while (at < bytes.length) {
    if (lines.length === max) return undefined
    const end = bytes.indexOf(NEWLINE, at)
    lines.push(bytes.subarray(at, end < 0 ? bytes.length : end))
    at = end < 0 ? bytes.length : end + 1
  }
  return lines
}

/** Whether a line has only white space. */
export function isBlank(line: Uint8Array): boolean {
  return line.every((byte) => BLANKS.has(byte))
}

/**
 * Reads `{ subject, data | base64, id?, headers?, expectLastSeq?, expectLastSubjectSeq? }`. The payload is the text of `data`
 * in the line, without changes.
 * @throws SpanwireError `invalid-data`, `invalid-subject`, `invalid-argument`, `invalid-header`
 */
export function parseLine(line: Uint8Array): Submission {
  const text = decodeLine(line)
  const { subject, base64, id, headers = [], ...rest } = parseObject(text)
  if (typeof subject !== 'string') throw new SpanwireError('invalid-subject', 'A line needs a "subject".')
  if (id !== undefined && typeof id !== 'string') throw new SpanwireError('invalid-argument', '"id" must be a string.')
  const expectations = [rest.expectLastSeq, rest.expectLastSubjectSeq].flatMap((seq, index) =>
    seq === undefined ? [] : [readExpectation(EXPECTATIONS[index] as string, toText(seq))],
  )
  const payload = base64 === undefined ? encoder.encode(textOf(text, 'data')) : decodeBase64(base64)
  return { subject, payload, headers: [...checkHeaders(headers), ...expectations], id }
}

function decodeLine(line: Uint8Array): string {
  try {
    return decoder.decode(line)
  } catch (cause) {
    throw new SpanwireError('invalid-data', 'This line is not UTF-8: send other bytes as "base64".', { cause })
  }
}

function parseObject(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text))
  } catch (cause) {
    throw new SpanwireError('invalid-data', 'This line is not JSON.', { cause })
  }
}

/** JSON.parse takes the last of several members with one name. */
function textOf(text: string, name: string): string {
  const { start, end }: Pick<JsonMember, 'start' | 'end'> = readMembers(text).findLast((one) => one.name === name) ?? {
    start: 0,
    end: 0,
  }
  return text.slice(start, end)
}

/** Only a number or a text is a sequence: an object may have a `toString` that throws. */
function toText(seq: unknown): string {
  return typeof seq === 'number' || typeof seq === 'string' ? String(seq) : ''
}

function decodeBase64(base64: unknown): Uint8Array {
  try {
    if (typeof base64 === 'string') return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
  } catch {}
  throw new SpanwireError('invalid-data', '"base64" is not base64.')
}
