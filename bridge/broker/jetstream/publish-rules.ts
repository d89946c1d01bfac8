import { parseHeaders } from '../../../sdk/wire/headers.ts'

/** What a publisher demands of the stream by headers (ADR-15 and nats-server). */
export interface PublishRules {
  /** `Nats-Msg-Id` */
  readonly id?: string
  /** `Nats-Expected-Stream` */
  readonly stream?: string
  /** `Nats-Expected-Last-Sequence`; NaN if it can't be read, which no sequence equals. */
  readonly lastSeq?: number
  /** `Nats-Expected-Last-Subject-Sequence` */
  readonly lastSubjectSeq?: number
  /** `Nats-Expected-Last-Msg-Id` */
  readonly lastId?: string
  /** `Nats-Rollup` */
  readonly rollup?: string
  /** The name of a header that this broker would have to obey, and can't. */
  readonly unsupported?: string
}

const NATS = new TextEncoder().encode('Nats-')
const NONE: PublishRules = {}
const UNSUPPORTED = /^Nats-(TTL|Schedule.*|Batch-.*|Incr|Expected-Last-Subject-Sequence-Subject)$/

export function readRules(headers: Uint8Array | undefined): PublishRules {
  if (!headers || !holds(headers)) return NONE
  const rules: { -readonly [name in keyof PublishRules]: PublishRules[name] } = {}
  for (const [name, value] of fieldsOf(headers)) {
    if (name === 'Nats-Msg-Id') rules.id ??= value
    else if (name === 'Nats-Expected-Stream') rules.stream ??= value
    else if (name === 'Nats-Expected-Last-Sequence') rules.lastSeq ??= sequence(value)
    else if (name === 'Nats-Expected-Last-Subject-Sequence') rules.lastSubjectSeq ??= sequence(value)
    else if (name === 'Nats-Expected-Last-Msg-Id') rules.lastId ??= value
    else if (name === 'Nats-Rollup') rules.rollup ??= value
    else if (UNSUPPORTED.test(name)) rules.unsupported ??= name
  }
  return rules
}

function fieldsOf(headers: Uint8Array): ReturnType<typeof parseHeaders>['fields'] {
  try {
    return parseHeaders(headers).fields
  } catch {
    // Not a header block: nothing can be demanded by it.
    return []
  }
}

/** Spares reading the headers of messages that have only others. */
function holds(headers: Uint8Array): boolean {
  for (let i = headers.indexOf(78); i >= 0; i = headers.indexOf(78, i + 1)) {
    if (NATS.every((byte, offset) => headers[i + offset] === byte)) return true
  }
  return false
}

function sequence(value: string): number {
  return /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN
}
