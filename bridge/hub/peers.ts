import { isSpanwireError, SpanwireError } from '../../sdk/wire/errors.ts'
import { encodeHeaders, type HeaderFields, parseHeaders } from '../../sdk/wire/headers.ts'
import type { Requests } from '../upstream/requests.ts'
import type { Upstream, UpstreamMessage } from '../upstream/upstream.ts'

/** The hubs that one supervisor runs, such as the processes of one machine. */
export interface HubGroup {
  /** Unique on the same NATS: one subject token. */
  readonly id: string
  /** This hub's name in the group, such as `hub-2`. */
  readonly name: string
  /** The names of all hubs of the group. */
  readonly names: readonly string[]
}

/** A request of another hub, or its response. */
export interface PeerMessage {
  readonly fields: HeaderFields
  readonly payload: Uint8Array
}

/** Handles a request. Its errors are sent to the other hub. */
type PeerHandler = (message: PeerMessage) => Promise<PeerMessage> | PeerMessage

/** The subjects of one hub. Clients can't publish or subscribe below `$EDGE`; programs that reach NATS are trusted. */
const PREFIX = '$EDGE.HUB.'
/** Header of an error response: the code of a SpanwireError. */
const REFUSED = 'Spanwire-Refused'
/** Timeout of a request, in ms. */
const PATIENCE = 5_000
/** Pending requests of this hub. Each holds at most one part of a message. */
const MAX_WAITING = 256

const decoder = new TextDecoder()
const encoder = new TextEncoder()

/**
 * Requests between hubs on the same NATS, by the other hub's id or its name in the group. All input of other hubs is
 * validated. A bridge of another version must not be able to stop this one.
 */
export class Peers {
  readonly #id: string
  readonly #group: HubGroup | undefined
  readonly #upstream: Upstream
  readonly #requests: Requests
  readonly #handlers = new Map<string, PeerHandler>()
  readonly #endings: Array<() => void>
  #waiting = 0

  constructor(upstream: Upstream, requests: Requests, id: string, group?: HubGroup) {
    this.#id = id
    this.#group = group
    this.#upstream = upstream
    this.#requests = requests
    const addresses = [id, ...(group ? [this.#addressOf(group.name)] : [])]
    this.#endings = addresses.map((address) =>
      upstream.subscribe(`${PREFIX}${address}.*`, undefined, (message) => void this.#answer(message)),
    )
  }

  get group(): HubGroup | undefined {
    return this.#group
  }

  /** Whether a name or an id is this hub's own. */
  isSelf(hub: string): boolean {
    return hub === this.#id || hub === this.#group?.name
  }

  /** Sets the handler for requests of one kind: an upper-case word. */
  handle(kind: string, handler: PeerHandler): void {
    this.#handlers.set(kind, handler)
  }

  /**
   * Sends a request to another hub.
   * @param hub its id, or its name in the group
   * @throws SpanwireError (as rejection) the error of the other hub; `no-responders` for an unknown hub, `timeout`,
   * `upstream-unavailable`
   */
  async ask(hub: string, kind: string, { fields, payload }: PeerMessage): Promise<PeerMessage> {
    if (!/^[\w-]{1,100}$/.test(hub)) throw new SpanwireError('invalid-argument', `${JSON.stringify(hub)} is not a hub.`)
    if (this.#waiting >= MAX_WAITING)
      throw new SpanwireError('upstream-unavailable', 'Too many requests to other hubs are pending.')
    this.#waiting++
    try {
      const subject = `${PREFIX}${this.#addressOf(hub)}.${kind}`
      const answer = await this.#requests.request({ subject, headers: encodeHeaders(fields), payload }, PATIENCE)
      return accept(hub, answer)
    } finally {
      this.#waiting--
    }
  }

  close(): void {
    for (const end of this.#endings) end()
  }

  #addressOf(hub: string): string {
    return this.#group?.names.includes(hub) ? `${this.#group.id}-${hub}` : hub
  }

  async #answer({ subject, reply, headers, payload }: UpstreamMessage): Promise<void> {
    const handler = this.#handlers.get(subject.slice(subject.lastIndexOf('.') + 1))
    if (!handler || reply === undefined) return
    const answer = await run(handler, headers, payload)
    try {
      this.#upstream.publish({ subject: reply, headers: encodeHeaders(answer.fields), payload: answer.payload })
    } catch {
      // NATS is unavailable, or the response is too large. The other hub has a timeout.
    }
  }
}

async function run(handler: PeerHandler, headers: Uint8Array | undefined, payload: Uint8Array): Promise<PeerMessage> {
  try {
    return await handler({ fields: headers ? parseHeaders(headers).fields : [], payload })
  } catch (error) {
    const { code, message } = isSpanwireError(error)
      ? error
      : { code: 'request-refused', message: 'The other hub failed.' }
    return { fields: [[REFUSED, code]], payload: encoder.encode(message) }
  }
}

/** @throws SpanwireError */
function accept(hub: string, { headers, payload }: UpstreamMessage): PeerMessage {
  const { status, fields } = headers ? parseHeaders(headers) : { fields: [] }
  if (status === 503) throw new SpanwireError('no-responders', `Unknown hub on this NATS: ${hub}.`)
  const refused = fields.find(([name]) => name === REFUSED)?.[1]
  if (refused === undefined) return { fields, payload }
  throw new SpanwireError(
    refused === 'invalid-argument' || refused === 'connection-lost' ? refused : 'request-refused',
    decoder.decode(payload).slice(0, 500),
  )
}
