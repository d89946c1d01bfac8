import type { ServerMessage } from '../wire/server-reader.ts'

/** A message as it comes from the broker. Transports of the SDK and upstreams of the bridge have the same. */
export type JetStreamMessage = Omit<ServerMessage, 'time'>

/** How JetStream is reached: over a transport of the SDK, or over an upstream of the bridge. */
export interface JetStreamLink {
  /**
   * Resolves with the first answer.
   * @throws SpanwireError (as rejection) `no-responders`, `timeout`, `aborted`, and what a lost connection gives
   */
  request(
    subject: string,
    payload: Uint8Array,
    options: { readonly timeout: number; readonly signal?: AbortSignal },
  ): Promise<JetStreamMessage>
  /** Subscribes to a subject filter, an inbox as a rule. `deliver` must not throw. Returns what ends it. */
  subscribe(filter: string, deliver: (message: JetStreamMessage) => void): () => void
  /** Sends without waiting. What can't be sent is lost: whoever cares has a timeout. */
  publish(subject: string, payload: Uint8Array, reply?: string): void
  /** A new inbox subject that nobody can guess; subjects under it (`<inbox>.>`) belong to the caller too. */
  newInbox(): string
}

/** A message that a stream keeps. */
export interface StoredMessage {
  readonly subject: string
  /** Its place in the stream; the first is 1. */
  readonly seq: number
  /** When the stream took it, in ms since 1970. */
  readonly time: number
  /** How many messages of the same filter came after it when it was read. */
  readonly pending: number
  /** As it was published: without what JetStream adds to answers of Direct Get. */
  readonly headerBlock?: Uint8Array
  readonly payload: Uint8Array
}
