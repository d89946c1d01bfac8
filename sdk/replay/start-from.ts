import type { StartFrom } from '../contract/bus.ts'
import { SpanwireError } from '../wire/errors.ts'
import type { ReplayStart } from '../wire/replay-frames.ts'

/**
 * What the option `from` means.
 * @throws SpanwireError `invalid-argument`
 */
export function toStart(from: StartFrom): ReplayStart {
  if (typeof from === 'string') return { at: from }
  // A cursor says itself where to begin.
  if ('cursor' in from) return { at: 'new' }
  if ('time' in from) return { at: 'time', time: whole(Math.floor(Number(from.time)), 0) }
  if ('seq' in from) return { at: 'seq', seq: whole(from.seq, 1) }
  return { at: 'count', count: whole(from.last, 1) }
}

function whole(value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value
  throw new SpanwireError('invalid-argument', `from: ${value} must be a whole number, at least ${least}.`)
}
