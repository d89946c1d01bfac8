import { messageOf } from '../../../sdk/kit/error-text.ts'
import { membersOf } from '../../../sdk/kit/kinds.ts'
import { isSpanwireError, SpanwireError } from '../../../sdk/wire/errors.ts'

/** The client package, loaded. */
export type KafkaModule = typeof import(/* webpackIgnore: true */ /* turbopackIgnore: true */ '@platformatic/kafka')

/** Options of the client. */
export interface KafkaLink {
  /** In ms. */
  readonly sessionTimeout: number
  /** Options that consumers and producers share. */
  readonly client: Readonly<Record<string, unknown>>
}

/** Loads the client package. @throws SpanwireError (as rejection) `unsupported` if it is not installed */
export async function loadKafka(): Promise<KafkaModule> {
  try {
    return await import(/* webpackIgnore: true */ /* turbopackIgnore: true */ '@platformatic/kafka')
  } catch (cause) {
    throw new SpanwireError('unsupported', 'Kafka needs a client: run "npm install @platformatic/kafka".', { cause })
  }
}

/** Errors of the protocol after which another attempt has no effect. */
const LASTING = [
  'UNKNOWN_TOPIC_OR_PARTITION',
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'INVALID_TOPIC_EXCEPTION',
  'INVALID_SESSION_TIMEOUT',
]

/** Converts an error of the client. */
export function toKafkaError(cause: unknown, topic: string): SpanwireError {
  if (isSpanwireError(cause)) return cause
  const ids = idsOf(cause)
  const text = messageOf(cause)
  if (ids.some((id) => id === 'MESSAGE_TOO_LARGE' || id === 'RECORD_LIST_TOO_LARGE'))
    return new SpanwireError('payload-too-large', `The topic ${topic} of Kafka refuses the message: ${text}`, { cause })
  const lasting = ids.find((id) => LASTING.includes(id))
  if (lasting)
    return new SpanwireError('broker-refused', `Kafka refuses ${topic}: ${lasting}. Check its name and its ACLs.`, {
      cause,
    })
  if (/PLT_KFK_AUTHENTICATION/.test(text) || Object(cause).code === 'PLT_KFK_AUTHENTICATION')
    return new SpanwireError('authentication-failed', `Kafka refuses the credentials: ${text}`, { cause })
  return new SpanwireError('broker-unavailable', `Kafka (${topic}): ${text}`, { cause })
}

/** Returns the ids of an error and of its causes. */
function idsOf(error: unknown): string[] {
  const { apiId, errors, cause } = membersOf(error)
  const below = [...(Array.isArray(errors) ? errors : []), ...(cause === undefined ? [] : [cause])]
  return [...(typeof apiId === 'string' ? [apiId] : []), ...below.flatMap(idsOf)]
}
