import { removalOf } from '../../sdk/contract/removal.ts'
import { validateVersion } from '../../sdk/contract/versions.ts'
import { inTime } from '../../sdk/kit/in-time.ts'
import { isThenable } from '../../sdk/kit/kinds.ts'
import { MAX_TIMER } from '../../sdk/kit/max-timer.ts'
import { decode } from '../../sdk/wire/bytes.ts'
import { isSpanwireError, SpanwireError } from '../../sdk/wire/errors.ts'
import { splitFilters } from '../../sdk/wire/filter-list.ts'
import type { Identity } from '../auth/identity.ts'
import { INBOX } from '../auth/permissions.ts'
import type { Log } from '../log/log.ts'
import type { Authorize, ContractOptions, PublishedEvent } from './contract-options.ts'
import { EventIndex, type IndexedEvent, readParams } from './event-index.ts'
import { readEffects, type ServerEffects } from './server-effects.ts'
import { DENIED, dataViolation, FAILED, LATE, UNKNOWN, type Violation } from './violation.ts'

/** A publish of a client that its permissions allow. Subjects are the client's. */
export interface Publication {
  readonly subject: string
  readonly reply?: string | undefined
  /** Header block. */
  readonly headers?: Uint8Array | undefined
  readonly payload: Uint8Array
}

/** Undefined: allowed. */
export type Verdict = Violation | undefined | Promise<Violation | undefined>

/** A message with its event. */
interface CheckedMessage {
  readonly event: IndexedEvent
  readonly subject: string
  /** Header block as text. */
  readonly block: string | undefined
  readonly isQuery: boolean
  readonly payload: Uint8Array
}

const TIMEOUT = 5_000
const FAILURE = 'The schema failed.'
/** RFC 8259 requires UTF-8. Other clients refuse JSON that is not. */
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Checks operations of clients by the contract and by the application. */
export class ContractGate {
  readonly #events: EventIndex
  readonly #refusesUnknown: boolean
  readonly #authorize: Authorize
  readonly #timeout: number
  readonly #log: Log

  /** @throws SpanwireError `invalid-argument`, `invalid-subject` */
  constructor({ events = {}, unknownSubjects = 'refuse', authorize = {} }: ContractOptions, log: Log) {
    const { timeout = TIMEOUT } = authorize
    if (!(timeout > 0 && timeout <= MAX_TIMER))
      throw new SpanwireError('invalid-argument', `authorize.timeout is ${timeout}. It must be 1 to ${MAX_TIMER} ms.`)
    if (unknownSubjects !== 'refuse' && unknownSubjects !== 'pass')
      throw new SpanwireError('invalid-argument', `unknownSubjects is ${unknownSubjects}. Use refuse or pass.`)
    this.#events = new EventIndex(events)
    this.#refusesUnknown = unknownSubjects === 'refuse'
    this.#authorize = authorize
    this.#timeout = timeout
    this.#log = log
  }

  /** Whether the application decides about subscriptions. */
  get decidesSubscriptions(): boolean {
    return this.#authorize.subscribe !== undefined
  }

  /** Checks a publish. Synchronous if the schema and the application are. */
  publish(user: Identity, { subject, reply, headers, payload }: Publication): Verdict {
    // A responder or a stream would publish to it without a check.
    if (reply !== undefined && this.hasEvent(reply)) return this.#refuse({ violates: 'reply' }, user)
    const block = headers && decode(headers)
    const effects = headers && block !== undefined ? readEffects(headers, block) : undefined
    const header = effects && this.#uncheckedHeader(effects)
    if (header !== undefined) return this.#refuse({ violates: 'header', header }, user)
    const { target, isQuery = false } = effects ?? {}
    const subjects = target === undefined || target === subject ? [subject] : [target, subject]
    const known = subjects.flatMap((one) => {
      const event = this.#events.find(one)
      return event ? [{ event, subject: one, block, isQuery, payload }] : []
    })
    const required = target ?? subject
    if (this.#isUnknown(required) && !this.hasEvent(required)) return this.#refuse(forbidden(UNKNOWN), user)
    return firstViolation(known.map((one) => () => this.#check(user, one)))
  }

  /** Whether the contract has an event with this subject. */
  hasEvent(subject: string): boolean {
    return this.#events.find(subject) !== undefined
  }

  /**
   * Checks a subscription, if the application decides about them.
   * @param filters the list of its subject filters
   */
  subscribe(user: Identity, filters: string): Verdict {
    const { subscribe } = this.#authorize
    if (!subscribe) return undefined
    const checks = splitFilters(filters).flatMap((filter) => {
      const events = this.#events.overlapping(filter)
      if (events.length === 0 && this.#isUnknown(filter)) return [() => this.#refuse(forbidden(UNKNOWN), user)]
      return events.map((event) => () => {
        const params = readParams(event, filter)
        return this.#decide(user, event, () => subscribe.call(this.#authorize, user, event.name, params))
      })
    })
    return firstViolation(checks)
  }

  /** The header by which the server would publish to an event without a check. */
  #uncheckedHeader({ target, repeated, sources, reports }: ServerEffects): string | undefined {
    const [header] = reports.find(([, subject]) => this.hasEvent(subject)) ?? []
    const event = target === undefined ? undefined : this.#events.find(target)
    const isCopied = event && sources.some((source) => this.#events.find(source) !== event)
    return repeated ?? header ?? (isCopied ? 'Nats-Schedule-Source' : undefined)
  }

  #isUnknown(subject: string): boolean {
    return this.#refusesUnknown && !subject.startsWith(INBOX) && !subject.startsWith('$')
  }

  #check(user: Identity, message: CheckedMessage): Verdict {
    const { event, block, payload } = message
    if (payload.length === 0 && event.stream !== undefined) {
      if (message.isQuery) return undefined
      if (removalOf({ subject: message.subject, payload, time: 0, headerText: block }))
        return this.#decidePublish(user, message, undefined, true)
    }
    try {
      const data = readData(message)
      if (!isThenable(data)) return this.#decidePublish(user, message, data)
      return inTime(Promise.resolve(data), this.#timeout, LATE).then(
        (later) => this.#decidePublish(user, message, later),
        (error) => (isLate(error) ? this.#failed(error, user, event) : this.#refuseData(error, user, event)),
      )
    } catch (error) {
      return this.#refuseData(error, user, event)
    }
  }

  #decidePublish(user: Identity, { event, subject }: CheckedMessage, data: unknown, isRemoval = false): Verdict {
    const { publish } = this.#authorize
    if (!publish) return undefined
    const published: PublishedEvent = { name: event.name, subject, params: readParams(event, subject), data, isRemoval }
    return this.#decide(user, event, () => publish.call(this.#authorize, user, published))
  }

  #decide(user: Identity, event: IndexedEvent, run: () => boolean | Promise<boolean>): Verdict {
    const conclude = (isAllowed: unknown) =>
      isAllowed === true ? undefined : this.#refuse(forbidden(DENIED), user, event)
    const failed = (error: unknown) => this.#failed(error, user, event)
    try {
      const decision: unknown = run()
      if (!isThenable(decision)) return conclude(decision)
      return inTime(Promise.resolve(decision), this.#timeout, LATE).then(conclude, failed)
    } catch (error) {
      return failed(error)
    }
  }

  /** The error of an application may hold data. The log gets its name alone. */
  #failed(error: unknown, user: Identity, event: IndexedEvent): Violation {
    const reason = isLate(error) ? 'timeout' : error instanceof Error ? error.name : typeof error
    this.#log.event('error', 'authorize-failed', 'The application did not decide about an event, so it was refused.', {
      user: user.user,
      event: event.name,
      reason,
    })
    return forbidden(isLate(error) ? LATE : FAILED)
  }

  #refuseData(error: unknown, user: Identity, event: IndexedEvent): Violation {
    const { issues = undefined, message = FAILURE } = isSpanwireError(error) ? error : {}
    // A schema that is wrong may return other issues than a list.
    const all = Array.isArray(issues) ? issues : [{ message: issues ? FAILURE : message }]
    return this.#refuse(dataViolation(all), user, event)
  }

  #refuse(violation: Violation, { user }: Identity, event?: IndexedEvent): Violation {
    const isData = violation.violates === 'data'
    const error = new SpanwireError(isData ? 'invalid-data' : 'permission-denied', describe(violation, event))
    this.#log.refusal('event-refused', error, { user, event: event?.name })
    return violation
  }
}

/** For the log, which gets no data. */
function describe({ violates }: Violation, event: IndexedEvent | undefined): string {
  if (violates === 'data') return 'The data of an event is not valid.'
  if (violates !== 'permission') return 'The server or a responder would publish to an event without a check.'
  return event ? 'The application refused an event.' : 'No event has this subject.'
}

/** Whether the timeout was over. */
function isLate(error: unknown): boolean {
  return error instanceof Error && String(error.message).startsWith(LATE)
}

function forbidden(reason: string): Violation {
  return { violates: 'permission', reason }
}

/** Returns the first violation. Later checks are not made after a violation, and are made side by side otherwise. */
function firstViolation(checks: ReadonlyArray<() => Verdict>): Verdict {
  const pending: Array<Promise<Violation | undefined>> = []
  for (const check of checks) {
    const verdict = check()
    if (isThenable(verdict)) pending.push(Promise.resolve(verdict))
    else if (verdict) return verdict
  }
  if (pending.length === 0) return undefined
  return Promise.all(pending).then((verdicts) => verdicts.find((verdict) => verdict !== undefined))
}

/** @throws SpanwireError `invalid-data`, `newer-version`, as a rejection if the schema is asynchronous */
function readData({ event, subject, block, payload }: CheckedMessage): unknown {
  let data: unknown
  try {
    const { codec } = event
    data = codec.decodeText ? codec.decodeText(utf8.decode(payload)) : codec.decode(payload)
  } catch {
    throw new SpanwireError('invalid-data', `It is not ${event.codec.contentType}.`)
  }
  return validateVersion(event, data, block, subject)
}
