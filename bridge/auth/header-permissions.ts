import { natsHeaderLines } from './header-lines.ts'
import { NATS_HEADERS } from './nats-headers.ts'
import type { Permissions } from './permissions.ts'

/**
 * The first header that needs a permission which the client lacks. Undefined if there is none.
 * @param prefixed whether the client has a subject prefix
 */
export function forbiddenHeader(block: Uint8Array, permissions: Permissions, prefixed: boolean): string | undefined {
  for (const { name, value, whole } of natsHeaderLines(block)) {
    const known = NATS_HEADERS.get(name.toLowerCase())
    const allowed = known ? known.publish(permissions, value, prefixed) && (whole || !prefixed) : !prefixed
    if (!allowed) return name
  }
}
