/** The part of the runtime's TCP that is used here. Source: https://developers.cloudflare.com/workers/runtime-apis/tcp-sockets/ */
declare module 'cloudflare:sockets' {
  export interface Socket {
    /** Rejects if there is no connection. */
    readonly opened: Promise<unknown>
    readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>
    readonly writable: WritableStream<Uint8Array>
    /** The same connection, encrypted from here on. Neither stream may be locked. */
    startTls(): Socket
    close(): Promise<void>
  }
  export function connect(
    address: string,
    options: { readonly secureTransport: 'starttls'; readonly allowHalfOpen: false },
  ): Socket
}
