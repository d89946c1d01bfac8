import { encodeHeaders } from '../../../sdk/wire/headers.ts'
import type { UpstreamMessage } from '../../upstream/upstream.ts'
import { NO_BYTES } from './wire.ts'

/** A message that is all status, as JetStream sends them (ADR-4, ADR-13, ADR-37). */
export function statusMessage(
  subject: string,
  status: number,
  description: string,
  fields: ReadonlyArray<readonly [string, string | number]> = [],
  reply?: string,
): UpstreamMessage {
  const headers = encodeHeaders(
    fields.map(([name, value]) => [name, String(value)] as const),
    status,
    description,
  )
  return { subject, headers, payload: NO_BYTES, ...(reply !== undefined && { reply }) }
}

/** RFC 3339, as JetStream writes times. */
export function toTimestamp(ms: number): string {
  return ms === 0 ? '0001-01-01T00:00:00Z' : new Date(ms).toISOString()
}
