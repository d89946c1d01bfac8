import type { SeqRange } from './gap.ts'

/** Reads what a gap status says, such as `5-9,12`. What can't be read is left out. */
export function parseRanges(text: string): SeqRange[] {
  return text.split(',').flatMap((part) => {
    const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? []
    const from = Number(first)
    const to = Number(last ?? first)
    return from <= to ? [{ from, to }] : []
  })
}

/** The parts of `ranges` that lie in none of `others`. All are in order and don't overlap. */
export function subtract(ranges: readonly SeqRange[], others: readonly SeqRange[]): SeqRange[] {
  let left = [...ranges]
  for (const other of others) {
    left = left.flatMap(({ from, to }) => {
      if (other.to < from || other.from > to) return [{ from, to }]
      return [
        { from, to: other.from - 1 },
        { from: other.to + 1, to },
      ].filter((part) => part.from <= part.to)
    })
  }
  return left
}

/** The ranges that lie in either, in order. */
export function unite(a: readonly SeqRange[], b: readonly SeqRange[]): SeqRange[] {
  const united: SeqRange[] = []
  for (const { from, to } of [...a, ...b].sort((x, y) => x.from - y.from)) {
    const last = united.at(-1)
    if (last && from <= last.to + 1) united[united.length - 1] = { from: last.from, to: Math.max(last.to, to) }
    else united.push({ from, to })
  }
  return united
}
