import type { SessionSnapshot } from './session-snapshot.ts'

/**
 * A client's WebSocket, as a host gives it to the hub: the seam between runtimes and everything else. No method may throw
 * or call back into the hub. A closed socket ignores all calls.
 */
export interface ClientSocket {
  /** Sends one binary message. The bytes come from `allocate`, and may be shared with other sockets: do not change them. */
  send(bytes: Uint8Array): void
  /**
   * Returns a buffer that ends with `length` free bytes for the message. Before them may be bytes that this kind of socket
   * needs, such as a frame header. Default: a buffer for the message alone.
   */
  readonly allocate?: Allocate
  /**
   * Bytes that wait in the socket because the client does not read. Undefined if the host does not report them. Used in addition to
   * the client's PONGs, which it may send unread.
   */
  readonly unsent?: number
  /**
   * Memory of this socket in the process of the host, in bytes: unsent output, and the beginning of a message that has not
   * arrived in full. Of a buffer that several sockets share each one counts its part. Default: `unsent`.
   */
  readonly held?: number
  /** Address of the other end, which may be a proxy. Undefined if the host can't tell. INFO states it as `client_ip`. */
  readonly address?: string | undefined
  /** Starts the closing handshake. A paused socket does not wait for the client's answer. */
  close(code: number, reason: string): void
  /** Closes the connection without a handshake, and drops unsent bytes. Undefined if the host can't. */
  terminate?(): void
  /** Stops reading until `resume`. Undefined if the host can't. */
  pause?(): void
  /** Continues reading. */
  resume?(): void
  /**
   * Stores the state of the session, for {@link Hub.restore}. Called at most once per turn, before that turn's messages.
   * Only on hosts where a socket can outlive the memory of its hub.
   */
  persist?(snapshot: SessionSnapshot): void
}

/** Returns a buffer for a message of `length` bytes. */
export type Allocate = (length: number) => Uint8Array

/** A connection of the hub, as the host uses it. */
export interface ClientConnection {
  /** Takes the bytes of one WebSocket message. Never throws. */
  receive(bytes: Uint8Array): void
  /** {@link ClientSocket.held} has grown by something else than `send`, such as half a message. Never throws. */
  grown(): void
  /** The socket is closed, for any reason. Idempotent. */
  closed(): void
}
