import type { SpanwireError } from '../errors.ts'

/** A message on its way to the server, and who waits to hear what became of it. */
export interface Publication {
  readonly frame: Uint8Array
  readonly subject: string
  readonly reply: string | undefined
  /** Header block and payload, in bytes. */
  readonly size: number
  /** Heard once: without an error when the server has taken it. Later calls do nothing. */
  settle(error?: SpanwireError): void
}
