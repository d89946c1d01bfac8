/** The part of a WebSocket that a transport uses. */
export interface LinkSocket {
  binaryType: string
  // As the DOM's types want it, which know of more than a link reads.
  // biome-ignore lint/suspicious/noExplicitAny: an event of either kind of socket
  onmessage: ((event: any) => void) | null
  // biome-ignore lint/suspicious/noExplicitAny: as above
  onclose: ((event: any) => void) | null
  send(bytes: Uint8Array<ArrayBuffer>): void
  close(): void
}
