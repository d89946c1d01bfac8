import type { StartFrom } from '../contract/bus.ts'
import { SpanwireError } from '../wire/errors.ts'
import type { ReplayStart } from '../wire/replay-frames.ts'

/**
 * Reads the option `from`.
 * @throws SpanwireError `invalid-argument`
 */
export function toStart(from: StartFrom): ReplayStart {
  if (typeof from === 'string') return { at: from }
  // The cursor has the start.
  if ('cursor' in from) return { at: 'new' }
  if ('time' in from) return { at: 'time', time: checkInteger(Math.floor(Number(from.time)), 0) }
  if ('seq' in from) return { at: 'seq', seq: checkInteger(from.seq, 1) }
  return { at: 'count', count: checkInteger(from.last, 1) }
}

function checkInteger(value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value
  throw new SpanwireError('invalid-argument', `from is ${value}: use an integer from ${least} on.`)
}
