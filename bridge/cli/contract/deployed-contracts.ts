/** Contracts that are deployed: `streams apply` keeps them in NATS, in a key-value bucket (ADR-8). */
import { publishAcked } from '../../../sdk/bus/publish-acked.ts'
import { json, raw } from '../../../sdk/contract/codec.ts'
import type { Events } from '../../../sdk/contract/contract.ts'
import { json as anything } from '../../../sdk/contract/event.ts'
import { JetStreamApi } from '../../../sdk/jetstream/api.ts'
import type { StoredMessage } from '../../../sdk/jetstream/jetstream-link.ts'
import { readPage } from '../../../sdk/jetstream/page.ts'
import type { Transport } from '../../../sdk/transport/transport.ts'
import { transportLink } from '../../../sdk/transport/transport-link.ts'
import { decode, encode } from '../../../sdk/wire/bytes.ts'
import { SpanwireError } from '../../../sdk/wire/errors.ts'
import { ID_HEADER } from '../../../sdk/wire/header-names.ts'
import { jsonEqual } from '../schema/json-equal.ts'
import type { EventDescription } from './event-description.ts'

export const BUCKET = 'SPANWIRE_CONTRACTS'
const STREAM = `KV_${BUCKET}`
const SUBJECTS = `$KV.${BUCKET}.`
/** Deployments of one contract that are kept. */
const HISTORY = 16
/** Version of the stored text. */
const FORMAT = 1
/** Time for all attempts to store it, in ms. */
const TIMEOUT = 20_000
/** Largest page. */
const PAGE = { messages: 256, bytes: 8 * 1024 * 1024 }

/** A contract as it was deployed. */
export interface DeployedContract {
  /** Its key in the bucket. */
  readonly name: string
  /** Time of the deployment, in ms since 1970. */
  readonly time: number
  readonly events: readonly EventDescription[]
}

/**
 * Stores a contract under a name, unless the last one is equal.
 * @param replicas of the bucket, if it must be created
 * @throws SpanwireError (as rejection) `invalid-argument`, `permission-denied`, `timeout`, `stream-refused`
 */
export async function storeContract(
  transport: Transport,
  { name, events, replicas }: Omit<DeployedContract, 'time'> & { readonly replicas: number | undefined },
): Promise<'stored' | 'unchanged'> {
  checkName(name)
  const api = new JetStreamApi(transportLink(transport))
  if (!(await api.streamState(STREAM)))
    await api.createStream({
      name: STREAM,
      subjects: [`${SUBJECTS}>`],
      max_msgs_per_subject: HISTORY,
      discard: 'new',
      allow_rollup_hdrs: true,
      deny_delete: true,
      allow_direct: true,
      ...(replicas !== undefined && { num_replicas: replicas }),
    })
  const last = await readDeployed(transport, name)
  if (last && jsonEqual(last.events, JSON.parse(JSON.stringify(events)))) return 'unchanged'
  await publishAcked(
    transport,
    {
      subject: SUBJECTS + name,
      payload: encode(JSON.stringify({ format: FORMAT, events })),
      headers: [[ID_HEADER, crypto.randomUUID()]],
    },
    { timeout: TIMEOUT },
  )
  return 'stored'
}

/**
 * The contract that was deployed last under a name. Undefined if there is none.
 * @throws SpanwireError (as rejection) `invalid-argument`, `permission-denied`, `timeout`, `unsupported`
 */
export async function readDeployed(transport: Transport, name: string): Promise<DeployedContract | undefined> {
  checkName(name)
  const message = await new JetStreamApi(transportLink(transport)).lastMessage(STREAM, SUBJECTS + name)
  return message && toContract(message)
}

/** The last contract of each name, as one contract. Events have no schemas: data is decoded and not checked. */
export async function readAllDeployed(transport: Transport): Promise<Events> {
  const api = new JetStreamApi(transportLink(transport))
  const state = await api.streamState(STREAM)
  if (!state) throw noContract('default')
  const latest = new Map<string, DeployedContract>()
  for (let from = Math.max(1, state.firstSeq); from <= state.lastSeq; ) {
    const { messages, to } = await readPage(
      api,
      { stream: STREAM, filter: `${SUBJECTS}>`, from, to: state.lastSeq },
      PAGE,
    )
    for (const message of messages) {
      const contract = toContract(message)
      if (contract) latest.set(contract.name, contract)
      else latest.delete(message.subject.slice(SUBJECTS.length))
    }
    from = to + 1
  }
  const events = [...latest.values()].flatMap((contract) => contract.events)
  return Object.fromEntries(
    events.map(({ name, contentType, version, stream }) => [
      name,
      {
        schema: anything(),
        codec: contentType === json.contentType ? json : raw,
        ...(version !== undefined && { version }),
        ...(stream !== undefined && { stream }),
      },
    ]),
  )
}

/** The error for a name under which no contract was deployed. */
export function noContract(name: string): SpanwireError {
  return new SpanwireError(
    'stream-not-found',
    `NATS has no contract ${JSON.stringify(name)} in the bucket ${BUCKET}: run "spanwire streams apply" first.`,
  )
}

/** Undefined for a marker of a deletion. */
function toContract({ subject, payload, time }: StoredMessage): DeployedContract | undefined {
  if (payload.length === 0) return undefined
  const name = subject.slice(SUBJECTS.length)
  const { format, events } = JSON.parse(decode(payload)) as { format?: unknown; events?: EventDescription[] }
  if (format === FORMAT && Array.isArray(events)) return { name, time, events }
  throw new SpanwireError(
    'unsupported',
    `The contract ${JSON.stringify(name)} in ${BUCKET} has the format ${String(format)}: use a newer Spanwire.`,
  )
}

function checkName(name: string): void {
  if (!/^[-\w]{1,100}$/.test(name))
    throw new SpanwireError('invalid-argument', `--name is ${JSON.stringify(name)}: use letters, digits, "-" and "_".`)
}
