import { forbiddenField } from './api-permissions.ts'
import { forbiddenHeader } from './header-permissions.ts'
import type { Permissions } from './permissions.ts'

/**
 * What a message would have the broker do that its client may not, beside arriving on its subject: the name of the header,
 * or of the field in a request to JetStream. Undefined if there is nothing.
 * @param target where it goes at the broker
 * @param prefixed whether the client's subjects have a prefix: JetStream's API is out of reach then
 */
export function overreach(
  target: string,
  headers: Uint8Array | undefined,
  payload: Uint8Array,
  permissions: Permissions,
  prefixed: boolean,
): string | undefined {
  return (headers && forbiddenHeader(headers, permissions, prefixed)) ?? forbiddenField(target, payload, permissions)
}
