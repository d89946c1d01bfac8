/** Maps foreign messages to events. No I/O. */
import { validate } from '../../sdk/contract/validate.ts'
import { messageOf } from '../../sdk/kit/error-text.ts'
import { isSpanwireError, SpanwireError } from '../../sdk/wire/errors.ts'
import { ID_HEADER, TIME_HEADER, VERSION_HEADER } from '../../sdk/wire/header-names.ts'
import { encodeHeaders } from '../../sdk/wire/headers.ts'
import { copyHeaders, RELAY_HEADER, readRoute } from './copied-headers.ts'
import type { InwardDefinition } from './declare.ts'
import type { Incoming } from './foreign.ts'
import { ForeignMessage } from './foreign-message.ts'
import type { StoreItem } from './store.ts'

/**
 * The result for a foreign message. `event` is stored. `loop` came from the event's own stream, and `ignored` is a tombstone:
 * both are acknowledged only. `refused` goes to the dead letter.
 */
export type MappedIn =
  | { readonly kind: 'event'; readonly item: StoreItem }
  | { readonly kind: 'loop' | 'ignored' }
  | { readonly kind: 'refused'; readonly error: SpanwireError }

/** Limits of NATS. */
export interface InwardLimits {
  /** The largest message that NATS takes, headers included, in bytes. */
  readonly maxMessage: number
}

/** Returns the name of an event in the list of places that a message passed. */
export function eventPlace({ event }: { readonly event: { readonly name: string } }): string {
  const known = places.get(event)
  if (known !== undefined) return known
  const place = `nats:${encodeURIComponent(event.name)}`
  places.set(event, place)
  return place
}

/** Places by event, as each message needs one. */
const places = new WeakMap<object, string>()

/** Maps a message. Returns a promise only if the schema is asynchronous. Never throws or rejects. */
export function mapIncoming(
  definition: InwardDefinition,
  incoming: Incoming,
  limits: InwardLimits,
): MappedIn | Promise<MappedIn> {
  try {
    const route = readRoute(incoming.headers)
    if (route.includes(eventPlace(definition))) return { kind: 'loop' }
    const { tombstone, event } = definition
    if (incoming.payload === null) {
      if (tombstone === 'ignore') return { kind: 'ignored' }
      if (tombstone === 'dead-letter')
        throw new SpanwireError('invalid-data', 'The message is a tombstone. Set the option tombstone.')
    }
    const codec = definition.codec ?? event.codec
    const decoded = incoming.payload === null ? undefined : decodeBy(codec, incoming.payload)
    const message = new ForeignMessage(incoming, decoded)
    const data = typeof tombstone === 'function' && incoming.payload === null ? tombstone(message) : decoded
    const subject = event.template.subject(definition.params(message))
    const conclude = (): MappedIn => {
      // The unchanged bytes keep fields that the schema does not name.
      const payload =
        incoming.payload !== null && definition.codec === undefined ? incoming.payload : event.codec.encode(data)
      const item = { subject, payload, ...headersFor(definition, message, incoming, route) }
      checkSize(item, limits)
      return { kind: 'event', item }
    }
    const validated = validate(event.schema, data, subject)
    return validated instanceof Promise ? validated.then(conclude).catch(refuse) : conclude()
  } catch (error) {
    return refuse(error)
  }
}

function decodeBy(codec: { decode(bytes: Uint8Array): unknown }, payload: Uint8Array): unknown {
  try {
    return codec.decode(payload)
  } catch (cause) {
    throw new SpanwireError('invalid-data', `The payload cannot be decoded: ${messageOf(cause)}`, { cause })
  }
}

function headersFor(
  definition: InwardDefinition,
  message: ForeignMessage,
  incoming: Incoming,
  route: readonly string[],
): Pick<StoreItem, 'headers' | 'id'> {
  const { place } = definition.from
  const own = definition.id ? definition.id(message) : incoming.id
  // Ids of different sources may be equal.
  const id = own === undefined || own === '' ? undefined : `${place}:${encodeURIComponent(own)}`
  const time = definition.time === 'source' ? incoming.time : undefined
  const { version } = definition.event
  return {
    id,
    headers: [
      ...(id === undefined ? [] : [[ID_HEADER, id] as const]),
      [TIME_HEADER, String(time ?? Date.now())],
      ...(version === undefined ? [] : [[VERSION_HEADER, String(version)] as const]),
      [RELAY_HEADER, [...route, place].join(',')],
      ...copyHeaders(incoming.headers, definition.headers),
    ],
  }
}

/** Headers that a batch adds to a message, in bytes. */
const BATCH_HEADERS = 120

function checkSize({ payload, headers }: StoreItem, { maxMessage }: InwardLimits): void {
  // A code unit has at most 3 bytes. This estimate avoids encoding the headers of messages far below the limit.
  const most = headers.reduce((sum, [name, value]) => sum + 3 * (name.length + value.length) + 4, BATCH_HEADERS + 16)
  if (payload.length + most <= maxMessage) return
  const size = payload.length + encodeHeaders(headers).length + BATCH_HEADERS
  if (size > maxMessage)
    throw new SpanwireError('payload-too-large', `The message has ${size} bytes. The limit of NATS is ${maxMessage}.`)
}

function refuse(error: unknown): MappedIn {
  if (isSpanwireError(error)) return { kind: 'refused', error }
  const text = messageOf(error)
  return {
    kind: 'refused',
    error: new SpanwireError('invalid-params', `The message cannot be mapped: ${text}`, { cause: error }),
  }
}
