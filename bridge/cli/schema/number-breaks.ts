import type { Alternative } from './alternatives.ts'
import type { Break, Check } from './find-breaks.ts'

interface Bound {
  readonly value: number
  readonly isExclusive: boolean
}

/** Bounds and divisors. */
export function numberBreaks({ writer, reader, path }: Check): Break[] {
  const found: Break[] = []
  const say = (reason: string, isUnclear = false) => found.push({ path, reason, isUnclear })
  for (const side of ['low', 'high'] as const) {
    const wanted = boundOf(side, reader)
    if (!wanted) continue
    const given = boundOfWriter(side, writer)
    if (given && isWithin(side, given, wanted)) continue
    const limit = `${side === 'low' ? 'from' : 'up to'} ${wanted.value}${wanted.isExclusive ? ' (exclusive)' : ''}`
    say(`may be ${given ? given.value : `any ${writer.type}`}, and only numbers ${limit} are accepted`)
  }
  const { multipleOf } = reader
  if (typeof multipleOf === 'number' && !isMultiple(writer, multipleOf))
    say(`may be a number that is not a multiple of ${multipleOf}`)
  return found
}

function boundOf(side: 'low' | 'high', keywords: Readonly<Record<string, unknown>>): Bound | undefined {
  const [closed, open] =
    side === 'low' ? [keywords.minimum, keywords.exclusiveMinimum] : [keywords.maximum, keywords.exclusiveMaximum]
  const bounds = [
    ...(typeof closed === 'number' ? [{ value: closed, isExclusive: open === true }] : []),
    ...(typeof open === 'number' ? [{ value: open, isExclusive: true }] : []),
  ]
  return narrowest(side, bounds)
}

function boundOfWriter(side: 'low' | 'high', { parts, type, only }: Alternative): Bound | undefined {
  if (typeof only?.value === 'number') return { value: only.value, isExclusive: false }
  const bound = narrowest(
    side,
    parts.flatMap((part) => boundOf(side, part) ?? []),
  )
  if (!bound || type !== 'integer') return bound
  // The nearest whole number that is left.
  const step = side === 'low' ? 1 : -1
  const whole = side === 'low' ? Math.ceil(bound.value) : Math.floor(bound.value)
  return { value: whole === bound.value && bound.isExclusive ? whole + step : whole, isExclusive: false }
}

function narrowest(side: 'low' | 'high', bounds: readonly Bound[]): Bound | undefined {
  return bounds.reduce<Bound | undefined>((best, one) => {
    if (!best) return one
    return isWithin(side, one, best) ? one : best
  }, undefined)
}

/** Whether all numbers within `inner` are within `outer`. */
function isWithin(side: 'low' | 'high', inner: Bound, outer: Bound): boolean {
  const distance = side === 'low' ? inner.value - outer.value : outer.value - inner.value
  return distance > 0 || (distance === 0 && (inner.isExclusive || !outer.isExclusive))
}

function isMultiple({ parts, type, only }: Alternative, divisor: number): boolean {
  if (typeof only?.value === 'number') return Number.isInteger(only.value / divisor)
  if (type === 'integer' && Number.isInteger(1 / divisor)) return true
  return parts.some(({ multipleOf }) => typeof multipleOf === 'number' && Number.isInteger(multipleOf / divisor))
}
