import { encodeHeaders } from '../../../sdk/wire/headers.ts'
import type { UpstreamMessage } from '../../upstream/upstream.ts'
import { type Fields, integer, text, texts } from './fields.ts'
import { joinHeaders } from './join-headers.ts'
import { statusMessage, toTimestamp } from './status.ts'
import type { StoreRecord } from './store.ts'
import type { Stream } from './stream.ts'
import { findMessage } from './stream-api.ts'

/** Answers `$JS.API.DIRECT.GET` with the message itself, or a status (ADR-31: one message, no batches). */
export function directGet(stream: Stream, fields: Fields, reply: string, now: number): UpstreamMessage {
  if (integer(fields, 'batch') > 0 || texts(fields, 'multi_last').length > 0 || text(fields, 'up_to_time'))
    return statusMessage(reply, 408, 'Batches Not Supported')
  const found = findMessage(stream, fields, now)
  if (found === 'bad') return statusMessage(reply, 408, 'Empty Request')
  if (!found) return statusMessage(reply, 404, 'Message Not Found')
  return { subject: reply, headers: describe(stream, found), payload: found.payload }
}

function describe(stream: Stream, { subject, seq, time, headers }: StoreRecord): Uint8Array {
  const place = encodeHeaders([
    ['Nats-Stream', stream.config.name],
    ['Nats-Subject', subject],
    ['Nats-Sequence', String(seq)],
    ['Nats-Time-Stamp', toTimestamp(time)],
  ])
  return headers ? joinHeaders(headers, place) : place
}
