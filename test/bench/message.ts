/**
 * The benchmark's message: 200 bytes with its number and its time. With one search for the mark, a receiver counts
 * messages, detects missing and unordered ones, and computes latencies.
 */
export const MARK = '#@'
const SIZE = 200
const NUMBER = 10
const TIME = 16
/** Number of bytes that must be present to read a message. */
export const READABLE = MARK.length + NUMBER + TIME

export function encodeBenchMessage(n: number): string {
  const sent = process.hrtime.bigint().toString().padStart(TIME, '0')
  return `${MARK}${String(n).padStart(NUMBER, '0')}${sent}`.padEnd(SIZE, '.')
}

/** Reads the number of the message whose mark is at `at`. */
export function numberAt(chunk: Buffer, at: number): number {
  let n = 0
  for (let i = at + MARK.length; i < at + MARK.length + NUMBER; i++) n = n * 10 + (chunk[i] as number) - 48
  return n
}

/** Computes the age of the message, in µs. */
export function ageAt(chunk: Buffer, at: number): number {
  const start = at + MARK.length + NUMBER
  return Number(process.hrtime.bigint() - BigInt(chunk.toString('latin1', start, start + TIME))) / 1_000
}
