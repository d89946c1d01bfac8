import type { EventName, Events } from '../../sdk/contract/contract.ts'
import type { DataOutput } from '../../sdk/contract/event.ts'
import type { Params } from '../../sdk/contract/template-types.ts'
import type { Identity } from '../auth/identity.ts'

/** An event on its way to NATS, for {@link Authorize.publish}. */
export type PublishedEvent<Contract extends Events = Events> = {
  [Name in EventName<Contract>]: {
    /** Its name in the contract: the subject template. */
    readonly name: Name
    /** Its subject, without the subject prefix of the user. */
    readonly subject: string
    /** Values of the template's params. */
    readonly params: Params<Name>
    /** Its data, as the schema returned it. Undefined for a removal. */
    readonly data: DataOutput<Contract[Name]> | undefined
    /** Whether it marks the removal of the last event of its subject from the stream. It has no data. */
    readonly isRemoval: boolean
  }
}[EventName<Contract>]

/**
 * Decisions of the application about single events, in addition to the permissions of the credentials. A decision that is
 * not `true`, throws, or takes longer than `timeout` is a refusal.
 */
export interface Authorize<Contract extends Events = Events> {
  /** Whether a user may publish an event. Called after the permissions and the schema. */
  publish?(user: Identity, event: PublishedEvent<Contract>): boolean | Promise<boolean>
  /**
   * Whether a user may subscribe to an event. Called for each event of the contract that a subscription may receive. `params`
   * has the params that the subscription fixes: a missing one means all values.
   */
  subscribe?(
    user: Identity,
    event: EventName<Contract>,
    params: Readonly<Record<string, string | undefined>>,
  ): boolean | Promise<boolean>
  /** Longest time for a decision, and for a schema that is asynchronous, in ms. Default 5,000. */
  readonly timeout?: number
}

/** Options of a bridge that knows the contract. */
export interface ContractOptions<Contract extends Events = Events> {
  /**
   * The contract. The bridge then refuses a publish whose data the schema of its event refuses. Default: data is not checked.
   * Inboxes and subjects that begin with `$` are not checked, unless an event has them.
   */
  readonly events?: Contract
  /**
   * Whether a client may publish to subjects that no event of the contract has, within its permissions. Only with `events`.
   * Default `refuse`.
   */
  readonly unknownSubjects?: 'refuse' | 'pass'
  /** Decisions of the application about single events. Requires `events`. Default: the permissions decide alone. */
  readonly authorize?: Authorize<Contract>
}
