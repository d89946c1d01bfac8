/** What a subscriber got, held against what it should have got. */
export interface Verdict {
  readonly lost: number[]
  readonly duplicated: number[]
  /** Whether the rest came in order. */
  readonly ordered: boolean
}

/** @param expected in order, each once */
export function compare(expected: readonly number[], received: readonly number[]): Verdict {
  const seen = new Set<number>()
  const duplicated = received.filter((seq) => seen.has(seq) || !seen.add(seq))
  const lost = expected.filter((seq) => !seen.has(seq))
  const ordered = received.every((seq, index) => index === 0 || seq > (received[index - 1] as number))
  return { lost, duplicated, ordered }
}
