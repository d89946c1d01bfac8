import type { ContractEvent } from '../contract/contract.ts'
import type { Source, SourceMessage } from '../contract/subscription-source.ts'
import type { SubscriptionHandler, Transport } from '../transport/transport.ts'
import { SpanwireError } from '../wire/errors.ts'
import { findOverlap, joinFilters, MAX_LISTED, splitFilters } from '../wire/filter-list.ts'
import { matchesFilter } from '../wire/subject.ts'
import { type ReplaySubscriptionOptions, replay } from './replay.ts'

/** Several events of one stream. */
export interface EventList {
  /** The stream of all of them. */
  readonly stream: string
  /** Their filters, as one list. */
  readonly filter: string
  /** Returns the first of the events whose template matches a subject. */
  find(subject: string): ContractEvent
}

/**
 * Reads a list of events.
 * @param filters filter of each event
 * @throws SpanwireError `invalid-argument`
 */
export function readEventList(events: readonly ContractEvent[], filters: readonly string[]): EventList {
  const names = events.map(({ name }) => name).join(', ')
  const check = (isValid: unknown, problem: string) => {
    if (!isValid) throw new SpanwireError('invalid-argument', `${problem}.`)
  }
  const [first] = events
  check(first && events.length <= MAX_LISTED, `A list of events has 1 to ${MAX_LISTED} names`)
  const { stream } = first as ContractEvent
  check(stream && events.every((event) => event.stream === stream), `${names} are not events of one stream`)
  const filter = joinFilters(filters)
  const overlap = findOverlap(filter)
  check(!overlap, `${overlap?.join(' and ')} overlap, so they cannot be in one list: use one that contains both`)
  const wholes = events.map((event) => [event, event.template.filter({})] as const)
  return {
    stream: stream as string,
    filter,
    find: (subject) => (wholes.find(([, whole]) => matchesFilter(whole, subject))?.[0] ?? first) as ContractEvent,
  }
}

/**
 * Delivers one event, or several in the order of their stream. See {@link replay}.
 * @param list filter of each event, separated by blanks
 */
export function replayEvents(
  transport: Transport,
  events: readonly ContractEvent[],
  list: string,
  handler: SubscriptionHandler,
  options: ReplaySubscriptionOptions & { readonly queue?: string | undefined },
): Source {
  if (events.length === 1) return replay(transport, list, handler, options)
  const { filter, find } = readEventList(events, splitFilters(list))
  if (options.queue !== undefined)
    throw new SpanwireError('invalid-argument', 'A queue group has no order: subscribe to each event of the list.')
  const message = (given: SourceMessage) => handler.message({ ...given, event: find(given.subject) } as SourceMessage)
  return replay(transport, filter, { ...handler, message }, options)
}
