import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { Identity } from '../auth/identity.ts'
import type { Hub } from '../hub/hub.ts'
import type { UpstreamMessage } from '../upstream/upstream.ts'
import { readReplyHeaders } from './message.ts'

/** What a stream answers that took a message. */
export interface PublishAck {
  readonly stream: string
  readonly seq: number
  /** The stream had a message of that id already; `seq` is that one's. */
  readonly duplicate: boolean
}

/** In ms. nats-server answers in one or two; with a leader to be elected it takes some seconds. */
const ACK_TIMEOUT = 5_000
/** JetStream's `err_code` for an expectation that didn't hold: of one server, and of a cluster under way. */
const WRONG_LAST_SEQUENCE = [10071, 10164]

/**
 * Publishes what a stream captures, and waits until the stream has it.
 * @throws SpanwireError (as rejection) `stream-refused`, `wrong-last-sequence`, `timeout`, `upstream-unavailable`
 */
export async function publishToStream(hub: Hub, message: UpstreamMessage, identity: Identity): Promise<PublishAck> {
  return readAck(await hub.requests.request(message, ACK_TIMEOUT), identity.subjectPrefix !== undefined)
}

/** @param hidden whether the stream's name would tell a tenant of others */
function readAck({ headers, payload }: UpstreamMessage, hidden: boolean): PublishAck {
  if (readReplyHeaders(headers).status === 503) {
    throw new SpanwireError('upstream-unavailable', 'The stream is out of reach for the moment: try again.')
  }
  const { stream, seq, duplicate = false, error } = readJson(payload)
  if (error) {
    const { err_code: code = 0, description = '' } = error
    throw new SpanwireError(
      WRONG_LAST_SEQUENCE.includes(code) ? 'wrong-last-sequence' : 'stream-refused',
      // Its texts name sequences and limits, and the stream in none.
      description || 'The stream did not take the message.',
    )
  }
  if (typeof stream !== 'string' || typeof seq !== 'number') {
    throw new SpanwireError('stream-refused', 'What answered is no stream: a responder listens on this subject, too.')
  }
  return { stream: hidden ? 'EDGE' : stream, seq, duplicate }
}

interface Answer {
  readonly stream?: unknown
  readonly seq?: unknown
  readonly duplicate?: boolean
  readonly error?: { readonly err_code?: number; readonly description?: string }
}

function readJson(payload: Uint8Array): Answer {
  try {
    return Object(JSON.parse(new TextDecoder().decode(payload)))
  } catch {
    return {}
  }
}
