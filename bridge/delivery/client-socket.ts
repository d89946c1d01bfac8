import type { SessionSnapshot } from './session-snapshot.ts'

/**
 * What a host gives the hub for each client: the seam between runtimes and everything else.
 * No method may throw or call back into the hub; a socket that is already gone ignores them.
 */
export interface ClientSocket {
  /**
   * Sends one binary WebSocket message, in what `allocate` gave. The bytes may be shared with other sockets: don't change
   * them.
   */
  send(bytes: Uint8Array): void
  /**
   * Gives room for a message of so many bytes: its place is the end, what a socket of this kind needs before it is there
   * already. Default: the message alone.
   */
  readonly allocate?: Allocate
  /**
   * Bytes that wait here because the client doesn't read, where the host can tell. What a client says that it has read may
   * not be true.
   */
  readonly unsent?: number
  /** Starts the closing handshake; while it is paused, without waiting for the answer. */
  close(code: number, reason: string): void
  /** Reads nothing until `resume`: what the client sends fills its own buffers. Not every host can. */
  pause?(): void
  resume?(): void
  /**
   * Keeps what the session needs to go on if the hub loses its memory while the socket stays. Called at most once per
   * turn, before what that turn sends. Only hosts where that can happen have it.
   */
  persist?(snapshot: SessionSnapshot): void
}

/** Gives room for a message of `length` bytes. */
export type Allocate = (length: number) => Uint8Array

/** What the hub gives the host in return. */
export interface ClientConnection {
  /** Bytes of one WebSocket message from the client. Never throws. */
  receive(bytes: Uint8Array): void
  /** The socket is gone, for whatever reason. Idempotent. */
  closed(): void
}
