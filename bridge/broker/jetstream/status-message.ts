import { encodeHeaders } from '../../../sdk/wire/headers.ts'
import type { UpstreamMessage } from '../../upstream/upstream.ts'
import { NO_BYTES } from './broker-port.ts'

/** Content of a status message. */
export interface Status {
  readonly code: number
  readonly reason: string
  readonly fields?: ReadonlyArray<readonly [string, string | number]>
  /** Reply subject for an answer, for example to flow control. */
  readonly reply?: string
}

/** A message with a status and without a payload, as JetStream sends them (ADR-4, ADR-13, ADR-37). */
export function statusMessage(subject: string, { code, reason, fields = [], reply }: Status): UpstreamMessage {
  const headers = encodeHeaders(
    fields.map(([name, value]) => [name, String(value)] as const),
    code,
    reason,
  )
  return { subject, headers, payload: NO_BYTES, ...(reply !== undefined && { reply }) }
}

/** RFC 3339, as JetStream writes times. */
export function toTimestamp(ms: number): string {
  return ms === 0 ? '0001-01-01T00:00:00Z' : new Date(ms).toISOString()
}
