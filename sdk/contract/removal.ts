import type { TransportMessage } from '../transport/transport.ts'
import { decode } from '../wire/bytes.ts'

/**
 * Why a stream removed the last event of a subject: `MaxAge` (its time to live is over), `Remove` (deleted) or `Purge`. `DEL`
 * and `PURGE` are operations of a key-value bucket. Source: NATS ADR-43 (`Nats-Marker-Reason`) and ADR-8 (`KV-Operation`).
 */
export type RemovalReason = 'MaxAge' | 'Remove' | 'Purge' | 'DEL' | 'PURGE'

const MARKER = /\r\n(?:Nats-Marker-Reason|KV-Operation): *(MaxAge|Remove|Purge|DEL|PURGE)\r/

/** Returns the reason if a message without a payload is a marker of a removal, which has no data of its own. */
export function removalOf({ headerText, headerBlock }: TransportMessage): RemovalReason | undefined {
  const block = headerText || (headerBlock && decode(headerBlock)) || ''
  return MARKER.exec(block)?.[1] as RemovalReason | undefined
}
