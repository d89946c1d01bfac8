/** Work queues: events of a stream, each handled once by one of many processes. */
import type { EventOf, StreamEventName } from '../contract/bus.ts'
import { type Events, findEvent } from '../contract/contract.ts'
import type { ReceivedEvent } from '../contract/received-event.ts'
import type { NatsConnectionLike } from '../transport/nats/nats-connection.ts'
import { toTransport } from '../transport/nats/nats-transport.ts'
import type { Transport } from '../transport/transport.ts'
import { isSpanwireError, SpanwireError } from '../wire/errors.ts'
import { matchesFilter } from '../wire/subject.ts'
import { type Consumer, DurableConsumer } from './durable-consumer.ts'
import { type ConsumeOptions, type DeliveryInfo, readSettings } from './options.ts'

export type { Consumer } from './durable-consumer.ts'
export type { ConsumeOptions, ConsumerStart, DeadLetter, DeliveryInfo } from './options.ts'

/**
 * Handles the events of a stream as a queue of work: each goes to one of the processes that name the same `consumer`, and
 * is done when its handler has returned, or its promise has resolved. One whose handler fails is tried again, here or
 * elsewhere, and so is one whose process died: at least once, so that handlers should stand a repetition (`e.id` and
 * `e.seq` are the same).
 *
 *     const worker = consume(stored, nats({ url: 'nats://127.0.0.1:4222' }), 'shop.{id}.paid', (e) => invoice(e.data), {
 *       consumer: 'invoices',
 *       deadLetter: { subject: 'dead.invoices' },
 *     })
 *     process.once('SIGTERM', () => worker.drain())
 *
 * Needs permission to publish to `$JS.API.CONSUMER.<what>.<stream>.<consumer>` (`INFO`, `MSG.NEXT`, and `DURABLE.CREATE` to
 * make or change it) and `$JS.ACK.<stream>.<consumer>.>`; with `ordered` by params `UNPIN`, too, for others to take over at once. It works by a bridge, too, but for clients with a subject prefix.
 * @param connection a transport (`nats()`, `webSocket()`, `fromNats()`), or a connection of NATS's own clients; it stays
 * open
 * @throws SpanwireError `unknown-event`, `invalid-argument`, `invalid-params`; `ready` rejects, and `onEnd` hears,
 * `stream-not-found`, `stream-conflict` (a consumer of that name is something else), `permission-denied`
 */
export function consume<Contract extends Events, Name extends StreamEventName<Contract>>(
  events: Contract,
  connection: Transport | NatsConnectionLike,
  name: Name,
  handler: (event: EventOf<Contract, Name>, delivery: DeliveryInfo) => unknown,
  options: ConsumeOptions<Contract, Name>,
): Consumer {
  const event = findEvent(events, name)
  const { stream } = event
  if (stream === undefined)
    throw new SpanwireError('invalid-argument', `No stream keeps ${name}: name one in the contract, { stream: '…' }.`)
  const settings = readSettings(options, Object.keys(event.template.params('')))
  const filter = event.template.filter(options.params ?? {})
  // Each event that it gives up would come back to it, and be given up again.
  if (settings.deadLetter && matchesFilter(filter, settings.deadLetter.subject))
    throw new SpanwireError(
      'invalid-argument',
      `deadLetter.subject is ${settings.deadLetter.subject}, which this consumer reads (${filter}): name another.`,
    )
  const { onError = report, onEnd = reportEnd } = options
  // The contract's types are the caller's: inside there is one kind of event.
  type Untyped<Call> = Call extends (...args: infer Args) => infer Result
    ? (...args: { [At in keyof Args]: Args[At] extends EventOf<Contract, Name> ? ReceivedEvent : Args[At] }) => Result
    : never
  return new DurableConsumer(toTransport(connection), event, stream, filter, settings, {
    handler: handler as Untyped<typeof handler>,
    onError: onError as Untyped<typeof onError>,
    onEnd,
  })
}

/** Who closes a connection knows that nothing more comes. */
function reportEnd(error: Error): void {
  if (!isSpanwireError(error, 'connection-closed')) report(error)
}

function report(error: unknown, event?: { readonly subject: string }): void {
  // Spanwire's own say what to do; where they were made helps nobody.
  console.error('spanwire:', event?.subject ?? '', isSpanwireError(error) ? `${error.code}: ${error.message}` : error)
}
