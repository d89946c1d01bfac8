import type { StreamConfig } from './stream-config.ts'

/** A message as a store keeps it. */
export interface StoreRecord {
  readonly seq: number
  /** In ms since 1970. */
  readonly time: number
  readonly subject: string
  readonly headers?: Uint8Array
  readonly payload: Uint8Array
}

/** What a store says of a message when a stream is loaded. */
export interface StoreIndex {
  readonly seq: number
  readonly time: number
  readonly subject: string
  /** In bytes; 0 without headers. */
  readonly headers: number
  readonly payload: number
}

/** The bytes of one stream's messages. The stream itself has the index, and decides what stays. */
export interface MessageStore {
  /** All messages, by sequence. Called once, before anything else. */
  load(): Iterable<StoreIndex>
  /** Keeps a message. When it returns the message is as safe as this store can make it. The bytes are the store's own. */
  append(record: StoreRecord): void
  read(seq: number): StoreRecord | undefined
  /**
   * Removes messages, all or none. With `last` it remembers sequence and time of the stream's last message, which the
   * messages that stay can no longer tell.
   */
  remove(seqs: readonly number[], last?: { readonly seq: number; readonly time: number }): void
}

/** A stream that a store kept from before. */
export interface KeptStream {
  readonly config: StreamConfig
  readonly created: string
  readonly lastSeq: number
  readonly lastTime: number
  readonly messages: MessageStore
}

/** Where streams are kept: in memory, or in SQLite. */
export interface StreamStore {
  load(): KeptStream[]
  /** A new stream, of a name that is free, with the sequence before its first. */
  create(config: StreamConfig, created: string, lastSeq: number): MessageStore
  update(config: StreamConfig): void
  delete(name: string): void
  close(): void
}
