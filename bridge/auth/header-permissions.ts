import { NEVER_STORED } from '../../sdk/jetstream/never-stored.ts'
import { ID_HEADER } from '../../sdk/wire/header-names.ts'
import { type NatsHeaderLine, natsHeaderLines } from './header-lines.ts'
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
    if (!allowed) return isStoredQuery([...natsHeaderLines(block)]) ? undefined : name
  }
}

/** Whether these are the headers of a message that no stream stores, and nothing more that nats-server obeys. */
export function isStoredQuery(lines: readonly NatsHeaderLine[]): boolean {
  const others = lines.filter(({ name }) => name !== ID_HEADER)
  const isIn = ([name, value]: (typeof NEVER_STORED)[number]) =>
    others.some((line) => line.name === name && line.value === value)
  return lines.every(({ whole }) => whole) && others.length === NEVER_STORED.length && NEVER_STORED.every(isIn)
}
