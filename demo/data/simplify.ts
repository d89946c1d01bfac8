/** A point of the map, in pixels of the map. */
export type Point = readonly [x: number, y: number]

/**
 * Removes points that lie within `tolerance` of the line (Douglas and Peucker, 1973).
 * The first and the last point stay, so that adjoining lines still meet.
 */
export function simplifyLine(line: readonly Point[], tolerance: number): Point[] {
  const first = line[0]
  const last = line.at(-1)
  if (!first || !last || line.length < 3) return [...line]
  let farthest = 0
  let distance = 0
  for (let i = 1; i < line.length - 1; i++) {
    const away = distanceToSegment(line[i] as Point, first, last)
    if (away > distance) {
      distance = away
      farthest = i
    }
  }
  if (distance <= tolerance) return [first, last]
  return [
    ...simplifyLine(line.slice(0, farthest + 1), tolerance).slice(0, -1),
    ...simplifyLine(line.slice(farthest), tolerance),
  ]
}

function distanceToSegment([x, y]: Point, [ax, ay]: Point, [bx, by]: Point): number {
  const dx = bx - ax
  const dy = by - ay
  const length = dx * dx + dy * dy
  const along = length === 0 ? 0 : Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / length))
  return Math.hypot(x - ax - along * dx, y - ay - along * dy)
}
