import type { EncodedEvent } from '../contract/codec.ts'

/** An event that waits to be published. Structured cloning keeps all of it. */
export interface OutboxEntry extends EncodedEvent {
  /** Whether a stream keeps it. */
  readonly stream: boolean
  /** Those of its publish that still count. */
  readonly options: {
    readonly timeout?: number | undefined
    readonly expectLastSeq?: number | undefined
    readonly expectLastSubjectSeq?: number | undefined
  }
}

/** Where an outbox keeps what isn't published yet. IndexedDB is one; an application may bring its own. */
export interface OutboxStore {
  /** Makes what others have left this outbox's own, and returns it, oldest first. Called once, before anything else. */
  adopt(): Promise<ReadonlyArray<{ readonly key: unknown; readonly entry: OutboxEntry }>>
  /** Keeps an entry, and returns what stands for it. Writes that are called one after the other end in that order. */
  put(entry: OutboxEntry): Promise<unknown>
  delete(key: unknown): Promise<void>
  /** What is left is for others to adopt. */
  close(): void
}
