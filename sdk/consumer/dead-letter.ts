import { publishAcked } from '../bus/publish-acked.ts'
import type { StoredMessage } from '../jetstream/link.ts'
import type { Transport } from '../transport/transport.ts'
import { readFields } from '../wire/header-fields.ts'
import { ID_HEADER } from '../wire/header-names.ts'
import type { HeaderFields } from '../wire/headers.ts'

/** Origin of a dead letter, and its reason. */
export interface Obituary {
  /** Name of the stream. */
  readonly stream: string
  /** Name of the consumer. */
  readonly consumer: string
  /** Number of attempts. */
  readonly attempts: number
  /** The last error. */
  readonly error: unknown
}

/** Longest error text, in characters. */
const LONGEST_TEXT = 300
/** Time for all attempts to publish, in ms. The delivery is held in the meantime. */
const TIMEOUT = 20_000
/** Headers of the original publish, such as expectations. They are not copied. */
const OWN = /^(nats-|spanwire-dead-)/i

/**
 * Publishes a dead letter: the payload and headers of the event, and headers `Spanwire-Dead-…`. Resolves when a stream has
 * stored it. The id prevents duplicates.
 * @throws SpanwireError (as rejection) the errors of {@link publishAcked}
 */
export async function buryEvent(
  transport: Transport,
  subject: string,
  message: StoredMessage,
  why: Obituary,
): Promise<void> {
  const { stream, consumer, attempts, error } = why
  const text = error instanceof Error ? error.message : String(error)
  const fields = readFields(message.headerBlock)
  const id = fields.find(([name]) => name.toLowerCase() === ID_HEADER.toLowerCase())?.[1]
  const headers: HeaderFields = [
    // Two consumers may put the same event aside.
    [ID_HEADER, `dead.${stream}.${consumer}.${message.seq}`],
    ...fields.filter(([name]) => !OWN.test(name)),
    // Under its own id it is put back: `spanwire dead redrive`.
    ...(id === undefined ? [] : [['Spanwire-Dead-Id', id] as const]),
    ['Spanwire-Dead-Subject', message.subject],
    ['Spanwire-Dead-Stream', stream],
    ['Spanwire-Dead-Sequence', String(message.seq)],
    ['Spanwire-Dead-Consumer', consumer],
    ['Spanwire-Dead-Attempts', String(attempts)],
    ['Spanwire-Dead-Error', text.replaceAll(/\s+/g, ' ').replaceAll('\0', '').slice(0, LONGEST_TEXT)],
  ]
  await publishAcked(transport, { subject, payload: message.payload, headers }, { timeout: TIMEOUT })
}
