import type { EventOf } from '../contract/bus.ts'
import type { EventName } from '../contract/contract.ts'
import type { ParamName, ParamsFilter } from '../contract/template-types.ts'
import { isJetStreamName } from '../jetstream/name.ts'
import { MAX_TIMER } from '../kit/max-timer.ts'
import { SpanwireError } from '../wire/errors.ts'
import { isSubject } from '../wire/subject.ts'

/** Where a consumer begins that is not there yet: with all that the stream has, what is new, or from a sequence or time. */
export type ConsumerStart = 'all' | 'new' | { readonly seq: number } | { readonly time: number | Date }

/** Where events go that can't be handled. */
export interface DeadLetter {
  /** A subject that a stream keeps, and this consumer doesn't read. */
  readonly subject: string
  /**
   * After how many attempts that failed. Default 5. Data that the schema refuses goes there at the first; an event whose
   * processes die, after twice as many deliveries, untouched. With `ordered` by params each process counts its own failures,
   * and gives an event 20 deliveries more: it may have been held and given back by several that were drained.
   */
  readonly attempts?: number
}

/** What a handler may want to know beside the event. */
export interface DeliveryInfo {
  /**
   * How often it was delivered; 1 for the first. More than 1: another attempt failed, its process died, maybe after the
   * work was done, or it was drained, and gave back what it held.
   */
  readonly attempt: number
}

export interface ConsumeOptions<Contract, Name extends EventName<Contract>> {
  /** The durable consumer's name at JetStream: all processes that give the same one share the events. */
  readonly consumer: string
  /** Only these; others count as handled. Default: all. */
  readonly params?: ParamsFilter<Name>
  /** Where it begins if it is not there yet. Default `all`. */
  readonly from?: ConsumerStart
  /** Handlers that may run at a time in this process. Default 1. */
  readonly concurrency?: number
  /**
   * `true`: one event at a time, of all processes together. None is begun before the one before it is done, however often
   * that has to be tried.
   *
   * A param's name, or several: events that have these in common one after the other, others beside them, as many at a
   * time as `concurrency` says (Kafka's order within a key). One process has all of the work then; when it drains another
   * takes over, and when it dies or isn't heard of, after `ackWait` or two. Needs nats-server 2.11. An event that is tried
   * again keeps its process, and those behind it wait; at most 256 events are held at a time.
   *
   * Default false: no order between events that run at the same time, or are tried again.
   */
  readonly ordered?: boolean | ParamName<Name> | ReadonlyArray<ParamName<Name>>
  /**
   * After how long without a sign of a process its events are given to others, in ms. Default 30,000, at least 1,000. A
   * handler may take longer: it is kept alive as long as its process lives.
   */
  readonly ackWait?: number
  /**
   * How long to wait before an event is tried again, in ms: after its first failure, its second, and so on; the last
   * number stands for all others. Default 1,000, 5,000, 30,000, 120,000.
   */
  readonly backoff?: readonly number[]
  /** Default: none. An event is tried until it works. */
  readonly deadLetter?: DeadLetter
  /** Hears what a handler throws, and what is wrong with an event. Default: written to the console. */
  readonly onError?: (error: unknown, event: EventOf<Contract, Name>, delivery: DeliveryInfo) => void
  /**
   * Hears, once, that nothing more comes although nobody drained it: `stream-not-found`, `stream-conflict`,
   * `permission-denied`, `connection-closed`. Default: written to the console, but for the last.
   */
  readonly onEnd?: (error: Error) => void
}

const BACKOFF = [1_000, 5_000, 30_000, 120_000]
const ATTEMPTS = 5

/** Most events that a process takes where each is kept until those before it in its lane are done. */
export const MOST_HELD = 256

/** Any, one event at a time over all processes, or one at a time of each lane. */
export type Order = 'none' | 'one-by-one' | 'by-lane'

/** With defaults, and without what depends on a contract's types. */
export interface Settings {
  readonly consumer: string
  readonly from: ConsumerStart
  readonly concurrency: number
  readonly order: Order
  /** Which lane an event belongs to, by its params. */
  readonly laneBy: readonly string[]
  readonly ackWait: number
  readonly backoff: readonly number[]
  readonly deadLetter: Required<DeadLetter> | undefined
}

/** The same as an application gives it. */
type Given = Pick<Settings, 'consumer'> &
  Partial<Omit<Settings, 'deadLetter' | 'order' | 'laneBy'>> & {
    readonly deadLetter?: DeadLetter
    readonly ordered?: boolean | string | readonly string[]
  }

/** What can be written as a date. */
function isTime(time: number | Date): boolean {
  return !Number.isNaN(new Date(time).getTime())
}

/**
 * @param params those of the event
 * @throws SpanwireError `invalid-argument`
 */
export function readSettings(options: Given, params: readonly string[]): Settings {
  const {
    consumer,
    from = 'all',
    concurrency = 1,
    ordered = false,
    ackWait = 30_000,
    backoff = BACKOFF,
    deadLetter,
  } = options
  const check = (holds: boolean, what: string) => {
    if (!holds) throw new SpanwireError('invalid-argument', `${what}.`)
  }
  const isCount = (value: number) => Number.isSafeInteger(value) && value > 0
  check(
    typeof consumer === 'string' && isJetStreamName(consumer),
    'consumer must be a name without dots, wildcards and blanks',
  )
  check(
    typeof from === 'object'
      ? 'seq' in from
        ? isCount(from.seq)
        : isTime(from.time)
      : from === 'all' || from === 'new',
    'from must be all, new, a sequence from 1, or a time',
  )
  check(isCount(concurrency), 'concurrency must be a whole number from 1')
  check(ordered !== true || concurrency === 1, 'With ordered: true, concurrency is 1')
  const laneBy = typeof ordered === 'boolean' ? [] : [ordered].flat()
  const known = laneBy.length > 0 && laneBy.every((name) => params.includes(name))
  check(
    typeof ordered === 'boolean' || known,
    `ordered must be true, false or params of the event (${params.join(', ')})`,
  )
  check(laneBy.length === 0 || concurrency <= MOST_HELD, `With ordered, concurrency is at most ${MOST_HELD}`)
  check(
    isCount(ackWait) && ackWait >= 1_000 && ackWait <= MAX_TIMER,
    'ackWait must be at least 1,000 ms, and 24 days at most',
  )
  check(backoff.length > 0 && backoff.every((ms) => Number.isFinite(ms) && ms >= 0), 'backoff must be a list of ms')
  const dead = deadLetter && { attempts: ATTEMPTS, ...deadLetter }
  check(!dead || (isSubject(dead.subject) && isCount(dead.attempts)), 'deadLetter needs a subject, and attempts from 1')
  const order = laneBy.length > 0 ? 'by-lane' : ordered ? 'one-by-one' : 'none'
  return { consumer, from, concurrency, order, laneBy, ackWait, backoff, deadLetter: dead }
}
