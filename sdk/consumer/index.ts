/** The entry `spanwire/consumer`: work queues. Each event of a stream is handled once, by one of many processes. */
import type { EventOf, OneStream, StreamEventName } from '../contract/bus.ts'
import type { Events } from '../contract/contract.ts'
import { JetStreamApi } from '../jetstream/api.ts'
import type { NatsConnectionLike } from '../transport/nats/nats-connection.ts'
import { toTransport } from '../transport/nats/nats-transport.ts'
import type { Transport } from '../transport/transport.ts'
import { transportLink } from '../transport/transport-link.ts'
import { isSpanwireError, SpanwireError } from '../wire/errors.ts'
import { type Consumer, DurableConsumer } from './durable-consumer.ts'
import type { Callbacks } from './handling.ts'
import type { ConsumeOptions, DeliveryInfo } from './options.ts'
import { PartitionStream } from './partition-stream.ts'
import { PartitionedConsumer } from './partitioned-consumer.ts'
import { readWork } from './read-work.ts'

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
 * that another process takes over immediately. With `partitions`, the names in these subjects are `<stream>-<consumer>` and
 * `*`. In addition, it requires permission to publish to `$JS.API.STREAM.INFO.<stream>` and to
 * `$JS.API.STREAM.<action>.<stream>-<consumer>` for the actions `INFO`, `PURGE` and `MSG.GET`, and to publish and subscribe
 * to `$SPANWIRE.CONSUMER.<stream>.<consumer>.*`. The first process also requires the permissions of {@link setPartitions},
 * unless that was called. It works through a bridge, but not for clients with a subject prefix.
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
  const { work, partitioned } = readWork(events, [name].flat(), options)
  const { onError = report, onEnd = reportEnd } = options
  // The implementation does not have the types of the contract.
  const callbacks = { handler: handler as Callbacks['handler'], onError: onError as Callbacks['onError'], onEnd }
  const transport = toTransport(connection)
  return partitioned
    ? new PartitionedConsumer(transport, work, callbacks, partitioned)
    : new DurableConsumer(transport, work, callbacks)
}

/**
 * Creates the partitions of a consumer, or changes their number. {@link consume} creates them as well, with the same
 * permissions.
 *
 * New events are divided into the new number. They wait until all earlier events are done, so that each key keeps its
 * order. Call it once, then restart the processes with the new number. These processes handle the earlier events first.
 * When the earlier events are done, processes with the earlier number end with `stream-conflict`. After a failure, call it
 * again: in the meantime, new events wait in their stream.
 *
 * Requires permission to publish to `$JS.API.STREAM.INFO.<stream>`, to `$JS.API.STREAM.<action>.<stream>-<consumer>` for the
 * actions `INFO`, `CREATE`, `UPDATE`, `PURGE` and `MSG.GET`, to `$JS.API.CONSUMER.<action>.<stream>-<consumer>.*` for the
 * actions `INFO`, `DURABLE.CREATE` and `DELETE`, and to `$SPANWIRE.CONSUMER.<stream>.<consumer>.*`. Through a bridge it
 * requires all permissions, because the stream copies messages of another stream.
 *
 * @example
 *     await setPartitions({ events, connection }, 'shop.{id}.paid', {
 *       consumer: 'invoices',
 *       ordered: 'id',
 *       partitions: 32,
 *     })
 * @param options the options of {@link consume}, with the new number
 * @throws SpanwireError `invalid-argument`, and as rejection `stream-not-found`, `stream-conflict` (other events or params,
 * or events of an earlier change are not done), `unsupported`, `permission-denied`, `timeout`
 */
export async function setPartitions<Contract extends Events, Name extends StreamEventName<Contract>>(
  { events, connection }: ConsumeSource<Contract>,
  name: Name | (readonly Name[] & OneStream<Contract, Name>),
  options: ConsumeOptions<Contract, Name> & { readonly partitions: number },
): Promise<void> {
  const { partitioned } = readWork(events, [name].flat(), options)
  if (!partitioned) throw new SpanwireError('invalid-argument', 'setPartitions requires the option partitions.')
  await new PartitionStream(new JetStreamApi(transportLink(toTransport(connection))), partitioned).set()
}

/** Default of `onEnd`. An application that closes the connection expects the end. */
function reportEnd(error: Error): void {
  if (!isSpanwireError(error, 'connection-closed')) report(error)
}

function report(error: unknown, event?: { readonly subject: string }): void {
  // Spanwire's errors state the remedy. Their stack does not help.
  console.error('spanwire:', event?.subject ?? '', isSpanwireError(error) ? `${error.code}: ${error.message}` : error)
}
