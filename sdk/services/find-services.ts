import { createDeferred } from '../kit/deferred.ts'
import { pause } from '../kit/pause.ts'
import type { NatsConnectionLike } from '../transport/nats/nats-connection.ts'
import { toTransport } from '../transport/nats/nats-transport.ts'
import type { Transport } from '../transport/transport.ts'
import { transportLink } from '../transport/transport-link.ts'
import type { ServiceInfo } from './descriptions.ts'

/** Options of {@link findServices}. */
export interface FindOptions {
  /** Name of a service. Default: all services. */
  readonly name?: string
  /** Time in which the processes answer, in ms. Default 500. */
  readonly wait?: number
}

const WAIT = 500
const INFO = '$SRV.INFO'

/**
 * Returns the processes of services that answer within `wait` ms. Requires permission to publish to `$SRV.INFO` or
 * `$SRV.INFO.<name>`.
 *
 * @example
 *     for (const { name, id, version } of await findServices(connection)) console.log(name, id, version)
 * @throws SpanwireError (as rejection) `permission-denied`, `connection-closed`
 */
export async function findServices(
  connection: Transport | NatsConnectionLike,
  { name, wait = WAIT }: FindOptions = {},
): Promise<ServiceInfo[]> {
  const transport = toTransport(connection)
  const found: ServiceInfo[] = []
  const reply = transportLink(transport).newInbox()
  const failed = createDeferred<never>()
  const subscription = transport.subscribe(reply, {
    message: ({ payload }) => {
      const info = readInfo(payload)
      if (info) found.push(info)
    },
    ended: failed.reject,
  })
  try {
    await subscription.ready
    await transport.publish(name === undefined ? INFO : `${INFO}.${name}`, new Uint8Array(), { reply })
    await Promise.race([pause(wait), failed.promise])
    return found
  } finally {
    failed.promise.catch(() => {})
    subscription.unsubscribe()
  }
}

/** Undefined for an answer that is not the information of a service, such as the status of a missing responder. */
function readInfo(payload: Uint8Array): ServiceInfo | undefined {
  try {
    const info: ServiceInfo = Object(JSON.parse(new TextDecoder().decode(payload)))
    return info.type === 'io.nats.micro.v1.info_response' ? info : undefined
  } catch {
    return undefined
  }
}
