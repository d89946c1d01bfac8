import type { StreamConfig } from './stream-config.ts'

/** A stored message. */
export interface StoreRecord {
  readonly seq: number
  /** In ms since 1970. */
  readonly time: number
  readonly subject: string
  readonly headers?: Uint8Array
  readonly payload: Uint8Array
}

/** A stored message without its bytes, for loading a stream. */
export interface StoreIndex {
  readonly seq: number
  readonly time: number
  readonly subject: string
  /** In bytes; 0 without headers. */
  readonly headers: number
  readonly payload: number
}

/** Messages of one stream. The stream has the index and enforces limits. */
export interface MessageStore {
  /** All messages, by sequence. Called once, and first. */
  load(): Iterable<StoreIndex>
  /** Stores messages, all or none. They are as durable as this store allows once this returns. The store owns the bytes. */
  append(records: readonly StoreRecord[]): void
  read(seq: number): StoreRecord | undefined
  /**
   * Removes messages, all or none.
   * @param last sequence and time of the stream's last message, to be stored because it is among the removed ones
   */
  remove(seqs: readonly number[], last?: { readonly seq: number; readonly time: number }): void
}

/** A stream that was stored earlier. */
export interface KeptStream {
  readonly config: StreamConfig
  readonly created: string
  readonly lastSeq: number
  readonly lastTime: number
  readonly messages: MessageStore
}

/** Storage of streams: in memory, or in SQLite. */
export interface StreamStore {
  load(): KeptStream[]
  /** Creates a stream with an unused name. @param lastSeq the sequence before its first */
  create(config: StreamConfig, created: string, lastSeq: number): MessageStore
  update(config: StreamConfig): void
  delete(name: string): void
  close(): void
}
