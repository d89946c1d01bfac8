import { permitApiRequest } from './api-permissions.ts'
import { forbiddenHeader } from './header-permissions.ts'
import type { Permissions } from './permissions.ts'

/** A publish, with its subject at the broker. */
interface Publish {
  readonly subject: string
  readonly headers?: Uint8Array | undefined
  readonly payload: Uint8Array
}

/** The client of a publish. */
export interface Publisher {
  readonly permissions: Permissions
  /** Whether it has a subject prefix, so that it can't publish to JetStream's API. */
  readonly prefixed: boolean
  /** Maps an inbox of the client to the broker's. Undefined: the client has no inboxes, as by HTTP. */
  readonly inbox?: (subject: string) => string
  /** Whether the contract has an event with this subject. JetStream would publish to it without a check. */
  readonly isEvent?: (subject: string) => boolean
}

/**
 * `forbidden` is the header, or the field of a JetStream request, by which the publish would make the broker do something
 * that its client has no permission for. Otherwise `payload` is the payload for the broker.
 */
export type Permitted = { readonly payload: Uint8Array } | { readonly forbidden: string }

/** Checks effects of a publish on the broker, in addition to its delivery. */
export function permitMessage({ subject, headers, payload }: Publish, publisher: Publisher): Permitted {
  const header = headers && forbiddenHeader(headers, publisher.permissions, publisher.prefixed)
  return header === undefined ? permitApiRequest(subject, payload, publisher) : { forbidden: header }
}
