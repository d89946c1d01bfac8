/** The entry `spanwire/consumer`: work queues. Each event of a stream is handled once, by one of many processes. */
import type { EventOf, OneStream, StreamEventName } from '../contract/bus.ts'
import { type Events, findEvent } from '../contract/contract.ts'
import { readEventList } from '../replay/event-list.ts'
import type { NatsConnectionLike } from '../transport/nats/nats-connection.ts'
import { toTransport } from '../transport/nats/nats-transport.ts'
import type { Transport } from '../transport/transport.ts'
import { isSpanwireError, SpanwireError } from '../wire/errors.ts'
import { splitFilters } from '../wire/filter-list.ts'
import { matchesFilter } from '../wire/subject.ts'
import { type Consumer, DurableConsumer } from './durable-consumer.ts'
import type { Callbacks } from './handling.ts'
import { type ConsumeOptions, type DeliveryInfo, readSettings } from './options.ts'

export type { Consumer } from './durable-consumer.ts'
export type { ConsumeOptions, ConsumerStart, DeadLetter, DeliveryInfo, Quarantine } from './options.ts'

/** The contract and the connection of a consumer. */
export interface ConsumeSource<Contract> {
  /** The contract, as `defineEvents` returned it. */
  readonly events: Contract
  /** A transport (`nats()`, `webSocket()`, `fromNats()`), or a connection of a NATS client. It stays open. */
  readonly connection: Transport | NatsConnectionLike
}

/**
 * Handles the events of a stream as a work queue. Each event is delivered to one of the processes with the same
 * `consumer`. It is done when the handler has returned or its promise has resolved. If the handler fails, or its process
 * crashes, the event is delivered again. Delivery is at least once, so handlers must tolerate repetitions (`e.id` and
 * `e.seq` are equal). A list of names of one stream delivers all of them, and `e.name` discriminates. It requires
 * nats-server 2.10.
 *
 * Requires permission to publish to `$JS.API.CONSUMER.<action>.<stream>.<consumer>` for the actions `INFO`, `MSG.NEXT` and
 * `DURABLE.CREATE`, and to `$JS.ACK.<stream>.<consumer>.>`. With `ordered` by params it also uses the action `UNPIN`, so
 * that another process takes over immediately. It works through a bridge, but not for clients with a subject prefix.
 *
 * @example
 *     const connection = nats({ url: 'nats://127.0.0.1:4222' })
 *     const worker = consume({ events, connection }, 'shop.{id}.paid', (e) => invoice(e.data), {
 *       consumer: 'invoices',
 *       deadLetter: { subject: 'dead.invoices' },
 *     })
 *     process.once('SIGTERM', () => worker.drain())
 * @throws SpanwireError `unknown-event`, `invalid-argument`, `invalid-params`. `ready` rejects with, and `onEnd` is called
 * with, `stream-not-found`, `stream-conflict` (a consumer with this name has other settings), `permission-denied`
 */
export function consume<Contract extends Events, Name extends StreamEventName<Contract>>(
  { events, connection }: ConsumeSource<Contract>,
  name: Name | (readonly Name[] & OneStream<Contract, Name>),
  handler: (event: EventOf<Contract, Name>, delivery: DeliveryInfo) => unknown,
  options: ConsumeOptions<Contract, Name>,
): Consumer {
  const consumed = [name].flat().map((one) => findEvent(events, one))
  for (const { name: own, stream } of consumed)
    if (stream === undefined)
      throw new SpanwireError('invalid-argument', `${own} has no stream: name one in the contract, { stream: '…' }.`)
  const filters = consumed.map(({ template }) => template.filter(options.params ?? {}))
  const { stream, filter, find } = readEventList(consumed, filters)
  const params = consumed.map(({ template }) => Object.keys(template.params('')))
  // A lane has a value of each param for all events.
  const settings = readSettings(options, params[0]?.filter((param) => params.every((own) => own.includes(param))) ?? [])
  // A dead letter would be delivered to this consumer, and become a dead letter again.
  for (const [option, subject] of [
    ['deadLetter.subject', settings.deadLetter?.subject],
    ['onInvalid.to', settings.quarantine],
  ])
    if (subject && splitFilters(filter).some((one) => matchesFilter(one, subject)))
      throw new SpanwireError(
        'invalid-argument',
        `${option} is ${subject}, which is in the filter of this consumer (${filter}): use another subject.`,
      )
  const { onError = report, onEnd = reportEnd } = options
  // The implementation does not have the types of the contract.
  return new DurableConsumer(
    toTransport(connection),
    { find, stream, filter, settings },
    { handler: handler as Callbacks['handler'], onError: onError as Callbacks['onError'], onEnd },
  )
}

/** Default of `onEnd`. An application that closes the connection expects the end. */
function reportEnd(error: Error): void {
  if (!isSpanwireError(error, 'connection-closed')) report(error)
}

function report(error: unknown, event?: { readonly subject: string }): void {
  // Spanwire's errors state the remedy. Their stack does not help.
  console.error('spanwire:', event?.subject ?? '', isSpanwireError(error) ? `${error.code}: ${error.message}` : error)
}
