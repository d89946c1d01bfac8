const UNITS: ReadonlyArray<readonly [ms: number, one: string]> = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
]

/** A time span for people: its two largest units, such as `2 h 5 min`. */
export function formatDuration(ms: number): string {
  let rest = Math.abs(ms)
  const parts: string[] = []
  for (const [size, unit] of UNITS) {
    const count = Math.floor(rest / size)
    if (count > 0) parts.push(`${count} ${unit}`)
    rest -= count * size
    if (parts.length === 2 || (parts.length === 1 && count === 0)) break
  }
  return parts.length > 0 ? parts.join(' ') : `${Math.round(Math.abs(ms))} ms`
}
