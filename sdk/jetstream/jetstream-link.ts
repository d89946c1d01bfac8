import type { ServerMessage } from '../wire/server-reader.ts'

/** A message of the broker, from a transport of the SDK or an upstream of the bridge. */
export type JetStreamMessage = Omit<ServerMessage, 'time'>

/** The connection to JetStream: a transport of the SDK, or an upstream of the bridge. */
export interface JetStreamLink {
  /**
   * Sends a request. Resolves with the first answer.
   * @throws SpanwireError (as rejection) `no-responders`, `timeout`, `aborted`, and errors of a lost connection
   */
  request(
    subject: string,
    payload: Uint8Array,
    options: { readonly timeout: number; readonly signal?: AbortSignal },
  ): Promise<JetStreamMessage>
  /** Subscribes to a subject filter, usually an inbox. `deliver` must not throw. Returns an `unsubscribe` function. */
  subscribe(filter: string, deliver: (message: JetStreamMessage) => void): () => void
  /** Publishes without a confirmation. Callers that need the effect have a timeout. */
  publish(subject: string, payload: Uint8Array, reply?: string): void
  /** Returns a new inbox subject that others cannot guess. The caller may also use subjects below it (`<inbox>.>`). */
  newInbox(): string
}

/** A message of a stream. */
export interface StoredMessage {
  /** Subject. */
  readonly subject: string
  /** Sequence in the stream. The first is 1. */
  readonly seq: number
  /** Time when the stream stored it, in ms since 1970. */
  readonly time: number
  /** Number of messages of the same filter after it, when it was read. */
  readonly pending: number
  /** Header block as it was published, without the headers that JetStream adds to answers of Direct Get. */
  readonly headerBlock?: Uint8Array
  /** Payload. */
  readonly payload: Uint8Array
}
