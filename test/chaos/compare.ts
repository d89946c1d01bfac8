/** An event as the stream has it. */
export interface Stored {
  readonly seq: number
  /** Its number by the publisher. */
  readonly n: number
}

/** What a subscriber got, held against what it should have got. */
export interface Verdict {
  readonly lost: Stored[]
  readonly duplicated: Stored[]
  /** What the stream doesn't have: another event under that sequence, or none. */
  readonly unexpected: Stored[]
  /** Whether it came in order. */
  readonly ordered: boolean
}

/** @param expected in order, each once */
export function compare(expected: readonly Stored[], received: readonly Stored[]): Verdict {
  const key = ({ seq, n }: Stored) => `${seq} ${n}`
  const wanted = new Set(expected.map(key))
  const seen = new Set<string>()
  const duplicated = received.filter((event) => seen.has(key(event)) || !seen.add(key(event)))
  return {
    lost: expected.filter((event) => !seen.has(key(event))),
    duplicated,
    unexpected: received.filter((event) => !wanted.has(key(event))),
    ordered: received.every(({ seq }, index) => index === 0 || seq > (received[index - 1]?.seq ?? 0)),
  }
}
