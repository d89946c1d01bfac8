import type { EventOf } from '../contract/bus.ts'
import type { EventName } from '../contract/contract.ts'
import type { ParamName, ParamsFilter } from '../contract/template-types.ts'
import { isJetStreamName } from '../jetstream/name.ts'
import { MAX_TIMER } from '../kit/max-timer.ts'
import { SpanwireError } from '../wire/errors.ts'
import { isSubject } from '../wire/subject.ts'

/**
 * Position at which a new consumer begins: the first message (`all`), the next message that is published (`new`), a
 * sequence, or a time (a Date, or ms since 1970).
 */
export type ConsumerStart =
  | 'all'
  | 'new'
  | {
      /** Sequence of the first message, from 1. */
      readonly seq: number
    }
  | {
      /** Time of the first message, as a Date or in ms since 1970. */
      readonly time: number | Date
    }

/** Destination of events that cannot be handled. */
export interface DeadLetter {
  /** A subject that a stream stores, and that is not in the filter of this consumer. */
  readonly subject: string
  /**
   * Number of failed attempts after which an event is a dead letter. Default 5. An event that the schema refuses is one
   * after the first attempt. An event whose processes crash is one after twice this number of deliveries, without another
   * call of the handler. With `ordered` by params, each process counts its own failures, and 20 more deliveries are
   * allowed, because processes that drain return events without an attempt.
   */
  readonly attempts?: number
}

/** Destination of events that are not valid. */
export interface Quarantine {
  /** A subject that a stream stores, and that is not in the filter of this consumer. */
  readonly to: string
}

/** Information about a delivery, in addition to the event. */
export interface DeliveryInfo {
  /**
   * Number of deliveries, including this one. Above 1, an earlier attempt failed, or its process crashed (possibly after the
   * work was done) or drained.
   */
  readonly attempt: number
}

/** Options of {@link consume}. */
export interface ConsumeOptions<Contract, Name extends EventName<Contract>> {
  /** Name of the durable JetStream consumer. All processes with the same name share the events. */
  readonly consumer: string
  /** Filter for the params. Default: all events. */
  readonly params?: ParamsFilter<Name>
  /** Position at which a new consumer begins. Default `all`. */
  readonly from?: ConsumerStart
  /** Number of handlers that run concurrently in this process. Default 1. */
  readonly concurrency?: number
  /**
   * `true`: all processes together handle one event at a time. The next event begins when the one before it is done, after
   * any number of attempts.
   *
   * The name of a param, or several: events with equal values are handled one after the other, other events concurrently up
   * to `concurrency` (the order within a key, as in Kafka). One process handles all events. When it drains, another process
   * takes over. When it crashes or loses its connection, another one takes over after one or two times `ackWait`. Requires
   * nats-server 2.11. A failed event stays in its process, and events of the same values wait. At most 256 events are held
   * at a time.
   *
   * Default false: concurrent events and repeated events have no order.
   */
  readonly ordered?: boolean | ParamName<Name> | ReadonlyArray<ParamName<Name>>
  /**
   * Number of partitions, from 2 to 128. With `ordered` by params, the events are divided by these params into partitions,
   * and the partitions among all processes. Each event is handled in the order of its key. When a process starts, drains
   * or crashes, some partitions move to another process, and only these stand still. 4 times the number of processes is a
   * good value. The number is fixed when the first process starts: see {@link setPartitions}. Default: one process has
   * all events.
   *
   * JetStream copies the events to the stream `<stream>-<consumer>`, until they are done. `e.time` is the time of the copy.
   * `concurrency` is the number of handlers for all partitions of a process. A process holds up to 512 events,
   * and at least 16 of each partition.
   * Requires nats-server 2.11, and a stream with retention `limits`.
   */
  readonly partitions?: number
  /**
   * Time without a sign of progress after which JetStream delivers an event to another process, in ms. Default 30,000, at
   * least 1,000. Handlers may run longer: the process reports progress for them.
   */
  readonly ackWait?: number
  /**
   * Delays before the next attempt after the first failure of an event, the second, and so on, in ms. The last delay is used
   * for all further failures. Default 1,000, 5,000, 30,000, 120,000.
   */
  readonly backoff?: readonly number[]
  /** Destination of events that cannot be handled. Default: none. Attempts are repeated without limit. */
  readonly deadLetter?: DeadLetter
  /**
   * Destination of events that cannot be decoded, that the schema refuses, or that have a newer version than the contract.
   * They are stored there after the first attempt, with the reason, and `spanwire quarantine` lists them and puts them back.
   * Default: they are dead letters, or are attempted again without `deadLetter`.
   */
  readonly onInvalid?: Quarantine
  /** Called with errors of handlers and of events that are not valid. Default: writes to the console. */
  readonly onError?: (error: unknown, event: EventOf<Contract, Name>, delivery: DeliveryInfo) => void
  /**
   * Called once if the consumer ends for any reason other than `drain`: `stream-not-found`, `stream-conflict`,
   * `permission-denied`, `connection-closed`. Default: writes to the console, except for `connection-closed`.
   */
  readonly onEnd?: (error: Error) => void
}

/** Each partition has a consumer of JetStream, and each process requests messages for all of its partitions. */
const MOST_PARTITIONS = 128
const BACKOFF = [1_000, 5_000, 30_000, 120_000]
const ATTEMPTS = 5

/** Number of events that a process holds if they are ordered by lane. */
export const MOST_HELD = 256

/** No order, one event at a time for all processes, or one event at a time for each lane. */
export type Order = 'none' | 'one-by-one' | 'by-lane'

/** Options with defaults, without the types of a contract. See {@link ConsumeOptions}. */
export interface Settings {
  readonly consumer: string
  readonly from: ConsumerStart
  readonly concurrency: number
  readonly order: Order
  /** Params that determine the lane of an event. */
  readonly laneBy: readonly string[]
  /** Undefined without partitions. */
  readonly partitions: number | undefined
  readonly ackWait: number
  readonly backoff: readonly number[]
  readonly deadLetter: Required<DeadLetter> | undefined
  /** Subject of events that are not valid. */
  readonly quarantine: string | undefined
}

/** Options as the application passes them. */
export type GivenOptions = Pick<Settings, 'consumer'> &
  Partial<Omit<Settings, 'deadLetter' | 'quarantine' | 'order' | 'laneBy'>> & {
    readonly deadLetter?: DeadLetter
    readonly onInvalid?: Quarantine
    readonly ordered?: boolean | string | readonly string[]
    readonly params?: Readonly<Record<string, string | undefined>>
  }

/** Whether a time is in the range of dates. */
function isTime(time: number | Date): boolean {
  return !Number.isNaN(new Date(time).getTime())
}

/**
 * Validates options and adds defaults.
 * @param params names of the event's params
 * @throws SpanwireError `invalid-argument`
 */
export function readSettings(options: GivenOptions, params: readonly string[]): Settings {
  const {
    consumer,
    from = 'all',
    concurrency = 1,
    ordered = false,
    partitions,
    ackWait = 30_000,
    backoff = BACKOFF,
    deadLetter,
    onInvalid,
  } = options
  const check = (isValid: boolean, rule: string) => {
    if (!isValid) throw new SpanwireError('invalid-argument', `${rule}.`)
  }
  const isCount = (value: number) => Number.isSafeInteger(value) && value > 0
  check(
    typeof consumer === 'string' && isJetStreamName(consumer),
    'consumer must be a name without dots, wildcards and white space',
  )
  check(
    typeof from === 'object'
      ? 'seq' in from
        ? isCount(from.seq)
        : isTime(from.time)
      : from === 'all' || from === 'new',
    'from must be all, new, a sequence from 1, or a time',
  )
  check(isCount(concurrency), 'concurrency must be a positive integer')
  check(ordered !== true || concurrency === 1, 'With ordered: true, concurrency must be 1')
  const laneBy = typeof ordered === 'boolean' ? [] : [ordered].flat()
  const known = laneBy.length > 0 && laneBy.every((name) => params.includes(name))
  check(
    typeof ordered === 'boolean' || known,
    `ordered must be true, false or names of the event's params (${params.join(', ')})`,
  )
  check(laneBy.length === 0 || concurrency <= MOST_HELD, `With ordered, concurrency must be at most ${MOST_HELD}`)
  check(
    partitions === undefined || (isCount(partitions) && partitions > 1 && partitions <= MOST_PARTITIONS),
    `partitions must be an integer from 2 to ${MOST_PARTITIONS}`,
  )
  check(partitions === undefined || known, 'partitions require ordered with names of params, such as ordered: "id"')
  check(isCount(ackWait) && ackWait >= 1_000 && ackWait <= MAX_TIMER, 'ackWait must be between 1,000 ms and 24 days')
  check(
    backoff.length > 0 && backoff.every((ms) => Number.isFinite(ms) && ms >= 0),
    'backoff must be a list of delays in ms',
  )
  const dead = deadLetter && { attempts: ATTEMPTS, ...deadLetter }
  check(
    !dead || (isSubject(dead.subject) && isCount(dead.attempts)),
    'deadLetter must have a subject, and a positive number of attempts',
  )
  check(onInvalid === undefined || isSubject(onInvalid.to ?? ''), 'onInvalid.to must be a subject')
  const order = laneBy.length > 0 ? 'by-lane' : ordered ? 'one-by-one' : 'none'
  return {
    consumer,
    from,
    concurrency,
    order,
    laneBy,
    partitions,
    ackWait,
    backoff,
    deadLetter: dead,
    quarantine: onInvalid?.to,
  }
}
