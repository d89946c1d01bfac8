import type { HeaderFields } from '../wire/header-fields.ts'
import type { StreamEventName } from './bus.ts'
import type { DataInput } from './event.ts'
import type { ParamName, Params } from './template-types.ts'

/** Options of one event of a batch. */
export interface BatchEventOptions {
  /** The event's id. Default: a new one. If the stream has an event with this id, it refuses the batch. */
  readonly id?: string
  /** Headers in addition to id and time. */
  readonly headers?: HeaderFields
  /** Accept headers that begin with `Nats-` or `Spanwire-`, which are commands to the server. Default false. */
  readonly reservedHeaders?: boolean
  /** Time to live, in ms. See {@link StreamPublishOptions.ttl}. */
  readonly ttl?: number | undefined
  /**
   * Refuses the batch unless the subject's last message before the batch has this sequence. 0: the subject has none. Only
   * for the first event of a subject in the batch.
   */
  readonly expectLastSubjectSeq?: number | undefined
}

/** Params of an event in a batch: required if the template has any. */
type BatchParams<Name extends string> = [ParamName<Name>] extends [never]
  ? { readonly params?: undefined }
  : { readonly params: Params<Name> }

/** An event of a batch, for {@link Bus.publishAll}. */
export type BatchEvent<Contract> = {
  [Name in StreamEventName<Contract>]: {
    /** The event's name in the contract. */
    readonly name: Name
    /** The data. */
    readonly data: DataInput<Contract[Name]>
  } & BatchParams<Name> &
    BatchEventOptions
}[StreamEventName<Contract>]

/** Options of {@link Bus.publishAll}. */
export interface BatchOptions {
  /** Time for all attempts together, in ms. Default 60,000. */
  readonly timeout?: number
  /** Rejects with `aborted`. A batch that was sent before is not recalled. */
  readonly signal?: AbortSignal | undefined
  /** Refuses the batch unless the stream's last message has this sequence. 0: the stream is empty. */
  readonly expectLastSeq?: number | undefined
}

/** Acknowledgement of a batch. */
export interface BatchAck {
  /** The stream that stored the events. */
  readonly stream: string
  /** Sequence of the last event. The others have the sequences before it. */
  readonly seq: number
  /** Number of events. */
  readonly count: number
}

/** The event for which a batch was refused: `cause` of the error of {@link Bus.publishAll}. */
export interface BatchProblem {
  /** Position in the list. The first is 0. */
  readonly index: number
  /** The event's name in the contract. */
  readonly name: string
  /** Subject of the event. */
  readonly subject: string
  /** The reason. */
  readonly problem: string
}
