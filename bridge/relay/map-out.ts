/** From an event to a foreign message: the decision, without I/O. */
import type { ReceivedEvent } from '../../sdk/contract/received-event.ts'
import { encode } from '../../sdk/wire/bytes.ts'
import { copyHeaders, FOREIGN_ID_HEADER, RELAY_HEADER, readRoute } from './copied-headers.ts'
import type { OutwardDefinition } from './declare.ts'
import type { Outgoing } from './foreign.ts'
import { eventPlace } from './map-in.ts'

/**
 * The message for an event; undefined if the event came from the place where it would go.
 * @throws what the functions of the declaration throw; SpanwireError `invalid-header`
 */
export function mapEvent(definition: OutwardDefinition, event: ReceivedEvent): Outgoing | undefined {
  const { to, codec = definition.event.codec } = definition
  const given = [...event.headers]
  const route = readRoute(given)
  if (route.includes(to.place)) return undefined
  const id = idOf(definition, event)
  const key = definition.key(event)
  const isTombstone = definition.tombstone(event)
  // The bytes as they are in the stream, so that nothing is lost on the way.
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

/** The event's own id. An event without one has its place in the stream. */
function idOf({ stream }: OutwardDefinition, event: ReceivedEvent): string {
  return event.id || event.headers.get(FOREIGN_ID_HEADER) || `${stream}.${event.seq}`
}
