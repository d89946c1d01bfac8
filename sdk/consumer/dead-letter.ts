import { publishAcked } from '../bus/publish-acked.ts'
import type { StoredMessage } from '../jetstream/link.ts'
import type { Transport } from '../transport/transport.ts'
import { readFields } from '../wire/header-fields.ts'
import { ID_HEADER } from '../wire/header-names.ts'
import type { HeaderFields } from '../wire/headers.ts'

/** Where an event came from, and why it is here. */
export interface Obituary {
  readonly stream: string
  readonly consumer: string
  readonly attempts: number
  readonly error: unknown
}

/** Of an error's text, in characters: it is there to be read by people. */
const LONGEST_TEXT = 300
/** How long to try at once, in ms: a delivery is held meanwhile. */
const TIMEOUT = 20_000
/** Conditions of the first publish, which this is not. */
const OWN = /^(nats-|spanwire-dead-)/i

/**
 * Puts an event aside: its payload as it is, its headers, and `Spanwire-Dead-…` beside them. Resolves when a stream has
 * it, once however often that is tried.
 * @throws SpanwireError (as rejection) as of {@link publishAcked}
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
