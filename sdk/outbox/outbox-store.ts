import type { EncodedEvent } from '../contract/codec.ts'

/** An unpublished event. It can be cloned by the structured clone algorithm. */
export interface OutboxEntry extends EncodedEvent {
  /** Name of the stream that stores the event. `false` without a stream, and `true` for a stream of unknown name. */
  readonly stream: string | boolean
  /** Options of `publish` that remain valid after a reload. */
  readonly options: {
    /** See {@link StreamPublishOptions.timeout}. */
    readonly timeout?: number | undefined
    /** See {@link StreamPublishOptions.expectLastSeq}. */
    readonly expectLastSeq?: number | undefined
    /** See {@link StreamPublishOptions.expectLastSubjectSeq}. */
    readonly expectLastSubjectSeq?: number | undefined
  }
}

/** Storage of an outbox. The default is IndexedDB. */
export interface OutboxStore {
  /** Takes over the entries of closed outboxes. Returns them, oldest first. Called once, before the other methods. */
  adopt(): Promise<ReadonlyArray<{ readonly key: unknown; readonly entry: OutboxEntry }>>
  /** Stores an entry and returns its key. Writes must be completed in the order of the calls. */
  put(entry: OutboxEntry): Promise<unknown>
  /** Removes an entry. */
  delete(key: unknown): Promise<void>
  /** Closes the store. Other outboxes may adopt its remaining entries. */
  close(): void
}
