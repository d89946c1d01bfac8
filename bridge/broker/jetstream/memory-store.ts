import type { MessageStore, StoreIndex, StoreRecord, StreamStore } from './stream-store.ts'

/** Streams that end with the process. */
export function createMemoryStore(): StreamStore {
  return {
    load: () => [],
    create: () => new MemoryMessages(),
    update: () => {},
    delete: () => {},
    close: () => {},
  }
}

class MemoryMessages implements MessageStore {
  readonly #records = new Map<number, StoreRecord>()

  load(): Iterable<StoreIndex> {
    return []
  }

  append(records: readonly StoreRecord[]): void {
    for (const record of records) this.#records.set(record.seq, record)
  }

  read(seq: number): StoreRecord | undefined {
    return this.#records.get(seq)
  }

  remove(seqs: readonly number[]): void {
    for (const seq of seqs) this.#records.delete(seq)
  }
}
