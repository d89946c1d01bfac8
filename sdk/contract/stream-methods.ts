import type { BatchAck, BatchEvent, BatchOptions } from './batch.ts'
import type { OrHint, StreamAck, StreamEventName, StreamPublishOptions, WithParams } from './bus.ts'
import type { When } from './schedule.ts'
import type { Params } from './template-types.ts'

/** Options of {@link Bus.publish} for an event that its stream publishes later. */
export type ScheduleOptions = Omit<StreamPublishOptions, 'expectLastSeq' | 'expectLastSubjectSeq'> & When

/** Options of {@link Bus.forget}. */
export interface ForgetOptions extends Omit<StreamPublishOptions, 'headers' | 'reservedHeaders'> {
  /**
   * Also remove the earlier events of the subject from the stream. Requires a stream with `rollup` (see `ensureStreams`).
   * Default false: the stream keeps them within its limits.
   */
  readonly purge?: boolean
}

/** The methods of {@link Bus} that only events with a stream have. */
export interface StreamMethods<Contract> {
  /**
   * Publishes events of one stream together: the stream stores all of them, next to each other and in this order, or none.
   * At most 1,000. Requires nats-server 2.12, and a stream with `atomic` (see `ensureStreams`). All events are checked before
   * the first is sent. If the batch is refused, the error names the event, and its `cause` is a {@link BatchProblem}.
   *
   * Subscriptions that read the stream deliver only events of stored batches. Queue groups of NATS may deliver others.
   *
   * @example
   *     await bus.publishAll([
   *       { name: 'accounts.{id}.debited', params: { id: 'a' }, data: { cents: 500 }, expectLastSubjectSeq: 17 },
   *       { name: 'accounts.{id}.credited', params: { id: 'b' }, data: { cents: 500 } },
   *     ])
   * @throws SpanwireError (as rejection) `invalid-argument` for events of several streams, and the errors of
   * {@link Bus.publish} for an event with a stream
   */
  publishAll(events: ReadonlyArray<BatchEvent<Contract>>, options?: BatchOptions): Promise<BatchAck>

  /**
   * Publishes a tombstone: the subject has no value any more. `latest` and stores remove it, `onRemoved` is called, and later
   * readers do not get the value. `forget(name, params?, options?)`, like {@link Bus.publish} without data.
   *
   * @example
   *     await bus.forget('prices.{symbol}', { symbol: 'ABC' })
   * @throws SpanwireError (as rejection) the errors of {@link Bus.publish} for an event with a stream
   */
  forget<Name extends StreamEventName<Contract> & keyof Contract, const Values extends Params<Name> = Params<Name>>(
    name: Name | OrHint<Contract>,
    ...args: WithParams<Name, Values, [options?: ForgetOptions]>
  ): Promise<StreamAck>

  /**
   * Ends a schedule of an event, also one of another process. Resolves if it does not exist, or has ended.
   *
   * @example
   *     await bus.cancelSchedule('reminders.{userId}', 'invoice-17')
   * @param name the event
   * @param id the `id` of the {@link Schedule}
   * @throws SpanwireError (as rejection) the errors of {@link Bus.publish} for an event with a stream
   */
  cancelSchedule(name: (StreamEventName<Contract> & keyof Contract) | OrHint<Contract>, id: string): Promise<void>
}
