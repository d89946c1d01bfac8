import { forbiddenField } from './api-permissions.ts'
import { forbiddenHeader } from './header-permissions.ts'
import type { Permissions } from './permissions.ts'

/** A publish, with its subject at the broker. */
interface Publish {
  readonly subject: string
  readonly headers?: Uint8Array | undefined
  readonly payload: Uint8Array
}

/**
 * The header, or the field of a JetStream request, by which a publish would make the broker do something that its client
 * has no permission for. Undefined if there is none.
 * @param prefixed whether the client has a subject prefix, so that it can't publish to JetStream's API
 */
export function overreach(
  { subject, headers, payload }: Publish,
  permissions: Permissions,
  prefixed: boolean,
): string | undefined {
  return (headers && forbiddenHeader(headers, permissions, prefixed)) ?? forbiddenField(subject, payload, permissions)
}
