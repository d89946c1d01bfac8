import { connect } from '../../../sdk/connect.ts'
import type { StreamSubscribeOptions, StreamSubscription } from '../../../sdk/contract/bus.ts'
import { bytes } from '../../../sdk/contract/event.ts'
import type { ReceivedEvent } from '../../../sdk/contract/received-event.ts'
import { hasParams, untyped } from '../../../sdk/contract/untyped-bus.ts'
import type { Transport } from '../../../sdk/transport/transport.ts'
import { templateOf } from '../schema/filter-template.ts'

/**
 * Events of a subject filter, with data as bytes, live or from a stream. The stream is found by the filter.
 * @param options with `from` a stream is needed; without it only live events come
 */
export function rawSubscription(
  transport: Transport,
  filter: string,
  options: StreamSubscribeOptions,
): StreamSubscription<ReceivedEvent> {
  const name = templateOf(filter)
  // Its name does not matter: a subscription finds the stream that keeps the filter.
  const entry = options.from === undefined ? bytes() : bytes({ stream: 'any' })
  const bus = untyped(connect({ transport, events: { [name]: entry } }))
  return hasParams(name) ? bus.subscribe(name, {}, options) : bus.subscribe(name, options)
}
