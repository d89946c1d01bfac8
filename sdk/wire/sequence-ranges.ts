/** Sequences from `from` to `to`, both included. */
export interface SequenceRange {
  /** First sequence. */
  readonly from: number
  /** Last sequence. */
  readonly to: number
}

/** Ranges in ascending order that do not overlap or touch. */
export type SequenceRanges = readonly SequenceRange[]

/** Returns the sequences up to the last that a stream does not have: before its first, and removed in between. */
export function missingFrom(state: {
  readonly firstSeq: number
  readonly lastSeq: number
  readonly deleted: readonly number[]
}): SequenceRanges {
  const ranges: Array<{ from: number; to: number }> = []
  // `first` of an empty stream is `last` + 1.
  const before = state.firstSeq > 0 ? state.firstSeq - 1 : state.lastSeq
  if (before >= 1) ranges.push({ from: 1, to: before })
  for (const seq of [...state.deleted].sort((a, b) => a - b)) {
    const last = ranges.at(-1)
    if (last && seq <= last.to) continue
    if (last && seq === last.to + 1) last.to = seq
    else ranges.push({ from: seq, to: seq })
  }
  return ranges
}

/** Returns the part of the ranges from `from` to `to`. */
export function clip(ranges: SequenceRanges, from: number, to: number): SequenceRanges {
  return ranges
    .filter((range) => range.to >= from && range.from <= to)
    .map((range) => ({ from: Math.max(range.from, from), to: Math.min(range.to, to) }))
}

/** Returns the sequences of `ranges` that are not in `others`. */
export function subtract(ranges: SequenceRanges, others: SequenceRanges): SequenceRanges {
  let rest = ranges
  for (const other of others) {
    rest = rest.flatMap((range) => {
      if (other.to < range.from || other.from > range.to) return [range]
      return [
        { from: range.from, to: other.from - 1 },
        { from: other.to + 1, to: range.to },
      ].filter(({ from, to }) => from <= to)
    })
  }
  return rest
}

/** Returns the sequences of both. */
export function unite(a: SequenceRanges, b: SequenceRanges): SequenceRanges {
  const united: SequenceRange[] = []
  for (const { from, to } of [...a, ...b].sort((x, y) => x.from - y.from)) {
    const last = united.at(-1)
    if (last && from <= last.to + 1) united[united.length - 1] = { from: last.from, to: Math.max(last.to, to) }
    else united.push({ from, to })
  }
  return united
}

/** Parses the format of {@link formatRanges}. Other parts are ignored. */
export function parseRanges(text: string): SequenceRanges {
  return text.split(',').flatMap((part) => {
    const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? []
    const from = Number(first)
    const to = Number(last ?? first)
    return from <= to ? [{ from, to }] : []
  })
}

/** Formats ranges, such as `5-9,12`. */
export function formatRanges(ranges: SequenceRanges): string {
  return ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(',')
}
