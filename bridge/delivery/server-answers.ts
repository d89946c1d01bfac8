import { decode, encode } from '../../sdk/wire/bytes.ts'
import { TENANT_STREAM } from './client-headers.ts'
import type { SubjectScope } from './subject-scope.ts'

/** Beginning of JetStream's answers about consumers. nats-server writes the type first. */
const CONSUMER_ANSWER = encode('{"type":"io.nats.jetstream.api.v1.consumer_')

/** Longest acknowledgement of a publish, in bytes. Names of streams and error texts are shorter than 1 KiB. */
const MAX_ACK = 4 * 1024
const BRACE = 123
/** The members of `JSPubAckResponse` of nats-server, in its order: an error, or the sequence and more. */
const ACK =
  /^(\{(?:"error":\{"code":\d+(?:,"err_code":\d+)?(?:,"description":"(?:[^"\\]|\\.)*")?\},)?"stream":)"[^"\\]*"(,"seq":\d+[,}])/

/**
 * The payload of a message to an inbox as the client must see it. Answers of JetStream contain names at the broker: a
 * client with a subject prefix must not see the name of a stream, and the others know their inboxes by their own names.
 * All other payloads are returned unchanged.
 */
export function toClientAnswer(payload: Uint8Array, scope: SubjectScope): Uint8Array {
  if (payload[0] !== BRACE) return payload
  if (scope.prefix !== '') return withoutStream(payload)
  return startsWith(payload, CONSUMER_ANSWER) ? withOwnInboxes(payload, scope) : payload
}

function withoutStream(payload: Uint8Array): Uint8Array {
  if (payload.length > MAX_ACK) return payload
  const text = decode(payload)
  const hidden = text.replace(ACK, (_, before: string, after: string) => `${before}"${TENANT_STREAM}"${after}`)
  return hidden === text ? payload : encode(hidden)
}

/** Replaces the broker's names of the client's inboxes. They contain its secret key, so nothing else can match. */
function withOwnInboxes(payload: Uint8Array, { inboxes }: SubjectScope): Uint8Array {
  const text = decode(payload)
  const own = text.replaceAll(`"${inboxes}`, '"_INBOX.')
  return own === text ? payload : encode(own)
}

function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  return start.every((byte, index) => bytes[index] === byte)
}
