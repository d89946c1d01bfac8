/** Features of newer servers: an older nats-server ignores their headers, and stores the messages as they are. */
import type { Transport } from '../transport/transport.ts'
import { SpanwireError } from '../wire/errors.ts'
import type { HeaderFields } from '../wire/header-fields.ts'

/** Header of a time to live. Source: NATS ADR-43. */
export const TTL_HEADER = 'Nats-TTL'

/** A feature, the level of JetStream's API that has it, and the first version of nats-server with that level. */
const FEATURES = {
  ttl: { level: 1, version: '2.11', what: 'A time to live (ttl)' },
  batch: { level: 2, version: '2.12', what: 'A batch (publishAll)' },
  at: { level: 2, version: '2.12', what: 'Publishing later (at)' },
  every: { level: 4, version: '2.14', what: 'Repeated publishing (every)' },
} as const

/**
 * Checks that the server supports a feature. Call it once the transport has been open. A bridge checks the headers itself.
 * @throws SpanwireError `unsupported`
 */
export function requireFeature({ edge, apiLevel = 0 }: Transport, feature: keyof typeof FEATURES): void {
  const { level, version, what } = FEATURES[feature]
  if (!edge && apiLevel < level)
    throw new SpanwireError('unsupported', `${what} requires nats-server ${version} or later: upgrade the server.`)
}

/** Resolves when the kind of server is known. */
export async function whenKnown(transport: Transport): Promise<void> {
  if (transport.edge === undefined) await transport.flush()
}

/**
 * Returns the value of `Nats-TTL`.
 * @param ttl in ms
 * @throws SpanwireError `invalid-argument`
 */
export function toTtl(ttl: number): string {
  if (!(ttl >= 1_000))
    throw new SpanwireError('invalid-argument', `ttl is ${ttl}. It must be at least 1000 ms: NATS counts seconds.`)
  return `${Math.floor(ttl / 1_000)}s`
}

/** Returns the header of a time to live, if there is one. */
export function ttlHeaders(ttl: number | undefined): HeaderFields {
  return ttl === undefined ? [] : [[TTL_HEADER, toTtl(ttl)]]
}
