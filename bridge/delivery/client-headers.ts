import { encode, join } from '../../sdk/wire/bytes.ts'
import { type NatsHeaderLine, natsHeaderLines } from '../auth/header-lines.ts'
import { NATS_HEADERS } from '../auth/nats-headers.ts'
import { withoutOrigin } from './origin-header.ts'
import type { SubjectScope } from './subject-scope.ts'

/** The name by which a client with a subject prefix sees every stream. */
export const TENANT_STREAM = 'EDGE'

const NOTHING = new Uint8Array(0)

/**
 * Header block of a publish at the broker. Streams compare message ids of all tenants, so each id gets the prefix: one
 * tenant's `order-42` must not make another one's a duplicate.
 */
export function toBrokerHeaders(block: Uint8Array, { prefix }: SubjectScope): Uint8Array {
  if (prefix === '') return block
  return edit(block, (line) => (isId(line) ? withValue(block, line, prefix + line.value) : undefined))
}

/** Bytes that {@link toBrokerHeaders} adds at most to a block with one id and one expected id. */
export function growthOfHeaders({ prefix }: SubjectScope): number {
  return 2 * encode(prefix).length
}

/**
 * Header block of a message as a client sees it: without the origin header, and with a subject prefix without names that
 * are outside of it. Undefined if there were no headers but the bridge's own.
 */
export function toClientHeaders(headers: Uint8Array, scope: SubjectScope): Uint8Array | undefined {
  const block = withoutOrigin(headers)
  return block && scope.prefix !== '' ? toTenantHeaders(block, scope) : block
}

function toTenantHeaders(block: Uint8Array, scope: SubjectScope): Uint8Array {
  return edit(block, (line) => {
    switch (NATS_HEADERS.get(line.name.toLowerCase())?.shown) {
      case 'never':
        return NOTHING
      case 'stream':
        return withValue(block, line, TENANT_STREAM)
      case 'subject': {
        const subject = scope.toClient(line.value)
        return subject === undefined ? NOTHING : withValue(block, line, subject)
      }
      case 'id':
        return line.value.startsWith(scope.prefix)
          ? withValue(block, line, line.value.slice(scope.prefix.length))
          : undefined
      default:
        return undefined
    }
  })
}

function isId({ name, whole }: NatsHeaderLine): boolean {
  return whole && NATS_HEADERS.get(name.toLowerCase())?.shown === 'id'
}

function withValue(block: Uint8Array, { start, valueStart }: NatsHeaderLine, value: string): Uint8Array {
  return join([block.subarray(start, valueStart), encode(`${value}\r\n`)])
}

/** Replaces lines. `change` returns undefined for a line that stays. */
function edit(block: Uint8Array, change: (line: NatsHeaderLine) => Uint8Array | undefined): Uint8Array {
  const parts: Uint8Array[] = []
  let end = 0
  for (const line of natsHeaderLines(block)) {
    const changed = change(line)
    if (!changed) continue
    parts.push(block.subarray(end, line.start), changed)
    end = line.end
  }
  if (parts.length === 0) return block
  parts.push(block.subarray(end))
  return join(parts)
}
