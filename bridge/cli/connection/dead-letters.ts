/** Dead letters and quarantined events of `consume` (sdk/consumer/handling.ts): read from their stream, and put back where they came from. */
import { publishAcked } from '../../../sdk/bus/publish-acked.ts'
import { JetStreamApi } from '../../../sdk/jetstream/api.ts'
import type { StoredMessage } from '../../../sdk/jetstream/jetstream-link.ts'
import { readPage } from '../../../sdk/jetstream/page.ts'
import type { Transport } from '../../../sdk/transport/transport.ts'
import { transportLink } from '../../../sdk/transport/transport-link.ts'
import { SpanwireError } from '../../../sdk/wire/errors.ts'
import { type HeaderFields, readFields } from '../../../sdk/wire/header-fields.ts'
import { ID_HEADER, VERSION_HEADER } from '../../../sdk/wire/header-names.ts'
import { askJetStream } from './jetstream-lists.ts'

/** An event that a consumer has put aside. */
export interface DeadLetter {
  /** The stream and sequence of the dead letter. */
  readonly deadStream: string
  readonly deadSeq: number
  /** When it was put aside, in ms since 1970. */
  readonly time: number
  /** The subject of the event. */
  readonly subject: string
  readonly stream: string
  readonly seq: number
  readonly consumer: string
  readonly attempts: number
  readonly reason: string
  /** Code of the error, if it is one of Spanwire's. */
  readonly code: string | undefined
  /** The event's own id, if it had one. */
  readonly id: string | undefined
  readonly payload: Uint8Array
  /** Its own headers. */
  readonly headers: HeaderFields
}

/** Largest page. */
const PAGE = { messages: 256, bytes: 4 * 1024 * 1024 }
/** How long to try to put one back, in ms. */
const TIMEOUT = 20_000
/** Headers of the dead letter, and conditions of the publish that it was. */
const OWN = /^(nats-|spanwire-dead-)/i

/**
 * The dead letters that a stream keeps for a subject filter, oldest first. Other messages are left out.
 * @throws SpanwireError (as rejection) `stream-not-found`, `permission-denied`, `timeout`
 */
export async function* readDeadLetters(transport: Transport, filter: string): AsyncGenerator<DeadLetter> {
  const api = new JetStreamApi(transportLink(transport))
  const stream = await api.findStream(filter)
  if (!stream) throw new SpanwireError('stream-not-found', `No stream keeps ${filter}.`)
  for (let from = Math.max(1, stream.firstSeq); from <= stream.lastSeq; ) {
    const { messages, to } = await readPage(api, { stream: stream.name, filter, from, to: stream.lastSeq }, PAGE)
    for (const message of messages) {
      const letter = toDeadLetter(stream.name, message)
      if (letter) yield letter
    }
    // A replica that lags behind returns an empty page: the loop reads again.
    from = to + 1
  }
}

function toDeadLetter(deadStream: string, { seq: deadSeq, time, headerBlock, payload }: StoredMessage) {
  const fields = readFields(headerBlock)
  const header = (name: string) => fields.find(([other]) => other === `Spanwire-Dead-${name}`)?.[1]
  const [subject, stream, version] = [header('Subject'), header('Stream'), header('Version')]
  if (subject === undefined || stream === undefined) return undefined
  return {
    deadStream,
    deadSeq,
    time,
    subject,
    stream,
    seq: Number(header('Sequence')),
    consumer: header('Consumer') ?? '',
    attempts: Number(header('Attempts')),
    reason: header('Error') ?? '',
    code: header('Code'),
    id: header('Id'),
    payload,
    headers: [
      ...fields.filter(([name]) => !OWN.test(name)),
      ...(version === undefined ? [] : [[VERSION_HEADER, version] as const]),
    ],
  }
}

/** The result of putting a dead letter back. */
export type Redriven =
  /** The stream has it at `seq`, and the dead letter is deleted. */
  | { readonly did: 'redriven'; readonly stream: string; readonly seq: number }
  /** The stream still remembers its id and stores nothing: the dead letter is kept. */
  | { readonly did: 'kept'; readonly why: string }

/**
 * Puts a dead letter back on its subject, under its own id, and deletes it once the stream has stored it. All consumers
 * of the stream get it again.
 * @throws SpanwireError (as rejection) `stream-not-found`, `stream-refused`, `permission-denied`, `timeout`
 */
export async function redrive(transport: Transport, letter: DeadLetter): Promise<Redriven> {
  const { deadStream, deadSeq, subject, payload } = letter
  const headers: HeaderFields = [[ID_HEADER, await idOf(transport, letter)], ...letter.headers]
  const ack = await publishAcked(transport, { subject, payload, headers }, { timeout: TIMEOUT })
  if (ack.duplicate)
    return {
      did: 'kept',
      why: `the stream ${ack.stream} still remembers its id: try again after its duplicate window (2 min unless set)`,
    }
  await askJetStream(transport, `STREAM.MSG.DELETE.${deadStream}`, { seq: deadSeq, no_erase: true })
  return { did: 'redriven', stream: ack.stream, seq: ack.seq }
}

/** Its own id, or the id of the event in its stream. Without either, an id by which it is put back once. */
async function idOf(transport: Transport, { id, stream, seq }: DeadLetter): Promise<string> {
  if (id !== undefined) return id
  const original = await new JetStreamApi(transportLink(transport)).message(stream, { seq })
  const found = readFields(original?.headerBlock).find(
    ([name]) => name === ID_HEADER || name === ID_HEADER.toLowerCase(),
  )?.[1]
  return found ?? `redriven.${stream}.${seq}`
}
