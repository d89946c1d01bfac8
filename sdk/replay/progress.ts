/** Messages in their order, and whether the application has handled them. */
export interface Progress<Position> {
  /** Number of unhandled messages. */
  readonly pending: number
  /** Adds a message with the position after it. Returns a function to call when it was handled. */
  add(position: Position): () => void
}

/** @param advanced called with a position when all messages before it were handled */
export function createProgress<Position>(advanced: (position: Position) => void): Progress<Position> {
  type Entry = { readonly position: Position; done: boolean }
  let entries: Entry[] = []
  // Entries before it were handled.
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
