/** The path of a flight over the map: a quadratic curve that bends towards north. */
export interface Arc {
  readonly fromX: number
  readonly fromY: number
  readonly bendX: number
  readonly bendY: number
  readonly toX: number
  readonly toY: number
  readonly length: number
}

/** Distance of the curve's control point from the straight line, as a fraction of its length. */
const BEND = 0.28

export function arcBetween(from: { x: number; y: number }, to: { x: number; y: number }): Arc {
  const dx = to.x - from.x
  const dy = to.y - from.y
  const length = Math.hypot(dx, dy)
  const side = dx < 0 ? 1 : -1
  return {
    fromX: from.x,
    fromY: from.y,
    bendX: (from.x + to.x) / 2 - dy * BEND * side,
    bendY: (from.y + to.y) / 2 + dx * BEND * side,
    toX: to.x,
    toY: to.y,
    length,
  }
}

/** The horizontal position at `t`, from 0 to 1. */
export function arcX({ fromX, bendX, toX }: Arc, t: number): number {
  return (1 - t) * (1 - t) * fromX + 2 * (1 - t) * t * bendX + t * t * toX
}

/** The vertical position at `t`, from 0 to 1. */
export function arcY({ fromY, bendY, toY }: Arc, t: number): number {
  return (1 - t) * (1 - t) * fromY + 2 * (1 - t) * t * bendY + t * t * toY
}

/** The direction at `t`, in radians. */
export function arcHeading(arc: Arc, t: number): number {
  const x = (1 - t) * (arc.bendX - arc.fromX) + t * (arc.toX - arc.bendX)
  const y = (1 - t) * (arc.bendY - arc.fromY) + t * (arc.toY - arc.bendY)
  return Math.atan2(y, x)
}
