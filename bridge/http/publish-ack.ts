import { SpanwireError } from '../../sdk/wire/errors.ts'
import type { Identity } from '../auth/identity.ts'
import { TENANT_STREAM } from '../delivery/client-headers.ts'
import type { HubCore } from '../hub/hub-core.ts'
import type { UpstreamMessage } from '../upstream/upstream.ts'
import { readReplyHeaders } from './submission.ts'

/** Acknowledgement of a stream. */
export interface PublishAck {
  readonly stream: string
  readonly seq: number
  /** Whether the stream already has a message with this id, and its sequence is `seq`. */
  readonly duplicate: boolean
}

/** The stream holds a message of an atomic batch that is not committed yet (ADR-50). */
export type Held = Record<string, never>

/** In ms. nats-server answers within 2 ms, or several seconds while it elects a leader. */
const ACK_TIMEOUT = 5_000
/** JetStream's `err_code` for a failed expectation: from a server, and from a cluster in the middle of a proposal. */
const WRONG_LAST_SEQUENCE = [10071, 10164]

/**
 * Publishes a message that a stream captures, and waits until it is stored, or held as a part of a batch.
 * @throws SpanwireError (as rejection) `stream-refused`, `wrong-last-sequence`, `timeout`, `upstream-unavailable`
 */
export async function publishToStream(
  hub: HubCore,
  message: UpstreamMessage,
  identity: Identity,
): Promise<PublishAck | Held> {
  return readAck(await hub.requests.request(message, ACK_TIMEOUT), identity.subjectPrefix !== undefined)
}

/** @param hidden whether to replace the stream's name, which may reveal other tenants */
function readAck({ headers, payload }: UpstreamMessage, hidden: boolean): PublishAck | Held {
  if (readReplyHeaders(headers).status === 503) {
    throw new SpanwireError('upstream-unavailable', 'The stream is unavailable at the moment. Try again.')
  }
  if (payload.length === 0 && headers === undefined) return {}
  const { stream, seq, duplicate = false, error } = readJson(payload)
  if (error) {
    const { err_code: code = 0, description = '' } = error
    throw new SpanwireError(
      WRONG_LAST_SEQUENCE.includes(code) ? 'wrong-last-sequence' : 'stream-refused',
      description || 'The stream did not take the message.',
    )
  }
  if (typeof stream !== 'string' || typeof seq !== 'number') {
    throw new SpanwireError(
      'stream-refused',
      'The reply is not from a stream: there is also a responder on this subject.',
    )
  }
  return { stream: hidden ? TENANT_STREAM : stream, seq, duplicate }
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
