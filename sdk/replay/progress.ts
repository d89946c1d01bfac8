/** Which messages the application is done with, in the order they came. */
export interface Progress<Position> {
  /** Messages that it isn't done with. */
  readonly pending: number
  /** One more, and the position after it. Returns what says that the application is done with it. */
  add(position: Position): () => void
}

/** @param advanced hears of the position before which nothing is pending */
export function createProgress<Position>(advanced: (position: Position) => void): Progress<Position> {
  type Entry = { readonly position: Position; done: boolean }
  let entries: Entry[] = []
  // Entries before it are gone.
  let head = 0

  function finish(entry: Entry | undefined): void {
    if (!entry || entry.done) return
    entry.done = true
    let last: Entry | undefined
    while (entries[head]?.done) last = entries[head++]
    if (head > 1_024 || head === entries.length) {
      entries = entries.slice(head)
      head = 0
    }
    if (last) advanced(last.position)
  }

  return {
    get pending() {
      return entries.length - head
    },
    add(position) {
      const entry = { position, done: false }
      entries.push(entry)
      return () => finish(entry)
    },
  }
}
