/** What is kept of publishes made while the connection isn't open. */
export interface OfflineOptions {
  /** Default 1,000. */
  readonly maxMessages?: number
  /** Header blocks and payloads together. Default 1,048,576 (1 MiB). */
  readonly maxBytes?: number
  /** Whose `publish` rejects with `offline-queue-full` when there is no room. Default `refuse-oldest`. */
  readonly whenFull?: 'refuse-oldest' | 'refuse-newest'
}

/** A queue of bounded length and size. */
export interface OfflineQueue<Entry> {
  readonly length: number
  /** Adds an entry. Returns those that had to be refused for it, which may be itself. */
  add(entry: Entry): Entry[]
  delete(entry: Entry): void
  /** Takes everything out, oldest first. */
  take(): Entry[]
}

export function createOfflineQueue<Entry extends { readonly size: number }>({
  maxMessages = 1_000,
  maxBytes = 1_048_576,
  whenFull,
}: OfflineOptions = {}): OfflineQueue<Entry> {
  const entries = new Set<Entry>()
  let bytes = 0

  const queue: OfflineQueue<Entry> = {
    get length() {
      return entries.size
    },
    add(entry) {
      const refused: Entry[] = []
      entries.add(entry)
      bytes += entry.size
      while (entries.size > maxMessages || bytes > maxBytes) {
        const [oldest] = entries
        const last = entry.size > maxBytes || whenFull === 'refuse-newest' ? entry : (oldest as Entry)
        queue.delete(last)
        refused.push(last)
      }
      return refused
    },
    delete(entry) {
      if (entries.delete(entry)) bytes -= entry.size
    },
    take() {
      const taken = [...entries]
      entries.clear()
      bytes = 0
      return taken
    },
  }
  return queue
}
