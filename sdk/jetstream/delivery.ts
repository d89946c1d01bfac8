import { parseHeaders } from '../wire/headers.ts'
import { parseAckSubject } from '../wire/replay-frames.ts'
import type { JetStreamMessage, StoredMessage } from './jetstream-link.ts'

/** A delivery of a consumer: a message of the stream, or a status such as a heartbeat. */
export type Delivery =
  | { readonly message: StoredMessage; readonly consumerSeq: number; readonly delivered: number }
  | {
      readonly status: number
      readonly description: string
      readonly header: (name: string) => string | undefined
    }

/** Reads a message to a consumer's inbox. Undefined if it is not a delivery. */
export function readDelivery(given: JetStreamMessage): Delivery | undefined {
  const { subject, reply, headerBlock, payload } = given
  const ack = reply === undefined ? undefined : parseAckSubject(reply)
  if (ack) {
    const { seq, time, pending, consumerSeq, delivered } = ack
    const message = { subject, seq, time, pending, ...(headerBlock && { headerBlock }), payload }
    return { message, consumerSeq, delivered }
  }
  if (!headerBlock) return undefined
  try {
    const { status, description = '', fields } = parseHeaders(headerBlock)
    const header = (wanted: string) => fields.find(([name]) => name === wanted)?.[1]
    return status === undefined ? undefined : { status, description, header }
  } catch {
    return undefined
  }
}
