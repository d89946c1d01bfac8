import type { SpanwireError } from '../wire/errors.ts'

/** The members of a WebSocket that a transport uses. */
export interface LinkSocket {
  /** The transport sets it to `arraybuffer`. */
  binaryType: string
  /** Called with each message. The transport reads `data`, an ArrayBuffer. */
  // biome-ignore lint/suspicious/noExplicitAny: the DOM's types require an event with more members
  onmessage: ((event: any) => void) | null
  /** Called when the socket was closed or could not be opened. The transport reads `code` and `reason`. */
  // biome-ignore lint/suspicious/noExplicitAny: see above
  onclose: ((event: any) => void) | null
  /** Why it can't be opened, if that is known. */
  why?: SpanwireError | undefined
  /** Called once if there is a better way to the server: the client leaves when all that it sent is confirmed. */
  onleave?: (() => void) | null
  /** Sends a binary message. A socket that is closing ignores it. */
  send(bytes: Uint8Array<ArrayBuffer>): void
  /** Closes the socket. */
  close(): void
}
