/**
 * What is sent: 200 bytes that say which message they are and when they were sent, so that a receiver can count, see what
 * is missing or out of order, and know how long it took, by one search for the mark.
 */
export const MARK = '#@'
const SIZE = 200
const NUMBER = 10
const TIME = 16
/** How much of a message must be there before it can be read. */
export const READABLE = MARK.length + NUMBER + TIME

export function encodeBenchMessage(n: number): string {
  const sent = process.hrtime.bigint().toString().padStart(TIME, '0')
  return `${MARK}${String(n).padStart(NUMBER, '0')}${sent}`.padEnd(SIZE, '.')
}

/** The number of the message whose mark is at `at`. */
export function numberAt(chunk: Buffer, at: number): number {
  let n = 0
  for (let i = at + MARK.length; i < at + MARK.length + NUMBER; i++) n = n * 10 + (chunk[i] as number) - 48
  return n
}

/** How old it is, in µs. */
export function ageAt(chunk: Buffer, at: number): number {
  const start = at + MARK.length + NUMBER
  return Number(process.hrtime.bigint() - BigInt(chunk.toString('latin1', start, start + TIME))) / 1_000
}
