/** Number of clients of one server. */
export const HERD = 1_000

/** Numbers from 0 to 1, the same for the same seed. Source: mulberry32. */
export function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** The largest share of attempts within one window of `width` ms. */
export function largestShare(times: readonly number[], width: number): number {
  const windows = new Map<number, number>()
  for (const time of times) {
    const window = Math.floor(time / width)
    windows.set(window, (windows.get(window) ?? 0) + 1)
  }
  return Math.max(...windows.values()) / times.length
}
