/**
 * Messages between a tab and the host of the connection. First the tab sends `hello`. Then both send bytes of the NATS
 * protocol, in whole operations. Each end may send `closed`. A SharedWorker sends `here` when it has started.
 */
export type PortMessage =
  | ArrayBuffer
  | { readonly hello: Hello }
  | { readonly here: true }
  | { readonly closed: Ending }

/** The first message of a tab. */
export interface Hello {
  /** URL of the WebSocket. */
  readonly url: string
  /** Option `via` of the tab. */
  readonly via: string | undefined
  /** Whether the client has no token, so that only a cookie can authenticate it. */
  readonly cookies?: boolean
  /** Name of a lock that the tab holds while it exists. Undefined without Web Locks. */
  readonly lock: string | undefined
}

/** The end of a connection, like the close event of a WebSocket. */
export interface Ending {
  readonly code: number
  readonly reason: string
}

/** One end of the channel between a tab and the host. */
export interface Port {
  /** Sends a message to the other end. */
  post(message: PortMessage): void
  /** Called with each message of the other end. The owner of this end sets it. */
  receive: (message: PortMessage) => void
}

/** Whether a message closes the channel. */
export function isClosed(message: PortMessage): message is { readonly closed: Ending } {
  return !(message instanceof ArrayBuffer) && 'closed' in message
}

/** Returns Web Locks. Undefined without a secure context, contrary to its type. */
export function findLocks(): LockManager | undefined {
  return globalThis.navigator?.locks
}

/** Returns the name of the lock that a SharedWorker holds. */
export function hostLock(name: string): string {
  return `${name} host`
}

/** Copies bytes into a buffer that can be transferred. */
export function toBuffer(bytes: Uint8Array): ArrayBuffer {
  return bytes.slice().buffer as ArrayBuffer
}
