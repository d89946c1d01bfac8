/**
 * What a tab and whoever has the connection say to each other. First the tab says `hello`; then bytes of the NATS
 * protocol go both ways, a client's and a server's, whole operations at a time. Either end says when it is over.
 */
export type PortMessage = ArrayBuffer | { readonly hello: Hello } | { readonly closed: Ending }

export interface Hello {
  /** The WebSocket's. */
  readonly url: string
  readonly via: string | undefined
  /** The name of a lock that the tab holds for as long as it lives. */
  readonly lock: string
}

/** As a WebSocket's close. */
export interface Ending {
  readonly code: number
  readonly reason: string
}

/** One end of what lies between a tab and whoever has the connection. */
export interface Port {
  post(message: PortMessage): void
  receive: (message: PortMessage) => void
}

/** The lock that a SharedWorker of that name holds. */
export function hostLock(name: string): string {
  return `${name} host`
}

/** Bytes that belong to nobody else. */
export function toBuffer(bytes: Uint8Array): ArrayBuffer {
  return bytes.slice().buffer as ArrayBuffer
}
