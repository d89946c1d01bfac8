/** An event of the stream. */
export interface Stored {
  readonly seq: number
  /** Number that the publisher assigned. */
  readonly n: number
}

/** Differences between received and expected events. */
export interface Verdict {
  readonly lost: Stored[]
  readonly duplicated: Stored[]
  /** Events that the stream does not have at their sequence. */
  readonly unexpected: Stored[]
  /** Whether the events arrived in order. */
  readonly ordered: boolean
}

/** @param expected events of the stream, in order */
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
