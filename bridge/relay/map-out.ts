/** Maps events to foreign messages. No I/O. */
import type { ReceivedEvent } from '../../sdk/contract/received-event.ts'
import { encode } from '../../sdk/wire/bytes.ts'
import { copyHeaders, FOREIGN_ID_HEADER, RELAY_HEADER, readRoute } from './copied-headers.ts'
import type { OutwardDefinition } from './declare.ts'
import type { Outgoing } from './foreign.ts'
import { eventPlace } from './map-in.ts'

/**
 * Returns the message for an event. Undefined if the event came from the destination.
 * @throws SpanwireError `invalid-header`, and errors of the declaration's functions
 */
export function mapEvent(definition: OutwardDefinition, event: ReceivedEvent): Outgoing | undefined {
  const { to, codec = definition.event.codec } = definition
  const given = [...event.headers]
  const route = readRoute(given)
  if (route.includes(to.place)) return undefined
  const id = idOf(definition, event)
  const key = definition.key(event)
  const isTombstone = definition.tombstone(event)
  // The unchanged bytes keep fields that the schema does not name.
  const payload = definition.codec ? codec.encode(event.data) : event.payload
  return {
    id,
    key: typeof key === 'string' ? encode(key) : key,
    headers: [
      [FOREIGN_ID_HEADER, id],
      [RELAY_HEADER, [...route, eventPlace(definition)].join(',')],
      ...copyHeaders(given, definition.headers),
    ],
    time: event.time,
    payload: isTombstone ? null : payload,
    contentType: codec.contentType,
  }
}

/** Returns the event's id, or its stream and sequence. */
function idOf({ stream }: OutwardDefinition, event: ReceivedEvent): string {
  return event.id || event.headers.get(FOREIGN_ID_HEADER) || `${stream}.${event.seq}`
}
