import type { EventOf } from '../bus/bus.ts'
import type { EventName } from '../contract/contract.ts'
import type { ParamsFilter } from '../contract/template-types.ts'
import { SpanwireError } from '../errors.ts'
import { isJetStreamName } from '../jetstream/name.ts'
import { isSubject } from '../subject.ts'

/** Where a consumer begins that is not there yet: with all that the stream has, what is new, or from a sequence or time. */
export type ConsumerStart = 'all' | 'new' | { readonly seq: number } | { readonly time: number | Date }

/** Where events go that can't be handled. */
export interface DeadLetter {
  /** A subject that a stream keeps, and this consumer doesn't read. */
  readonly subject: string
  /**
   * After how many attempts that failed. Default 5. Data that the schema refuses goes there at the first; an event whose
   * processes die, after twice as many, untouched.
   */
  readonly attempts?: number
}

/** What a handler may want to know beside the event. */
export interface DeliveryInfo {
  /** 1 for the first. More than 1: another attempt failed, or its process died, maybe after the work was done. */
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
   * One event at a time, of all processes together: none is begun before the one before it is done, however often that
   * has to be tried. Default false: an event that is tried again comes after later ones.
   */
  readonly ordered?: boolean
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

/** With defaults, and without what depends on a contract's types. */
export interface Settings {
  readonly consumer: string
  readonly from: ConsumerStart
  readonly concurrency: number
  readonly ordered: boolean
  readonly ackWait: number
  readonly backoff: readonly number[]
  readonly deadLetter: Required<DeadLetter> | undefined
}

/** The same as an application gives it. */
type Given = Pick<Settings, 'consumer'> & Partial<Omit<Settings, 'deadLetter'>> & { readonly deadLetter?: DeadLetter }

/** What can be written as a date. */
function isTime(time: number | Date): boolean {
  return !Number.isNaN(new Date(time).getTime())
}

/** @throws SpanwireError `invalid-argument` */
export function readSettings(options: Given): Settings {
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
  check(!ordered || concurrency === 1, 'With ordered, concurrency is 1')
  check(isCount(ackWait) && ackWait >= 1_000, 'ackWait must be at least 1,000 ms')
  check(backoff.length > 0 && backoff.every((ms) => Number.isFinite(ms) && ms >= 0), 'backoff must be a list of ms')
  const dead = deadLetter && { attempts: ATTEMPTS, ...deadLetter }
  check(!dead || (isSubject(dead.subject) && isCount(dead.attempts)), 'deadLetter needs a subject, and attempts from 1')
  return { consumer, from, concurrency, ordered, ackWait, backoff, deadLetter: dead }
}
