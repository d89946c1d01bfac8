import { type Events, findEvent } from '../contract/contract.ts'
import { readEventList } from '../replay/event-list.ts'
import { SpanwireError } from '../wire/errors.ts'
import { splitFilters } from '../wire/filter-list.ts'
import { matchesFilter } from '../wire/subject.ts'
import type { Work } from './handling.ts'
import { type GivenOptions, readSettings } from './options.ts'
import { type PartitionedEvents, toTransform } from './partition-subjects.ts'

/**
 * Reads the arguments of `consume`.
 * @throws SpanwireError `unknown-event`, `invalid-argument`, `invalid-params`
 */
export function readWork(
  events: Events,
  names: readonly string[],
  options: GivenOptions,
): { readonly work: Work; readonly partitioned: PartitionedEvents | undefined } {
  const consumed = names.map((one) => findEvent(events, one))
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
  const { consumer, partitions: count, from, ackWait, laneBy } = settings
  const transforms: PartitionedEvents['transforms'] = (generation) =>
    consumed.map((event, index) => toTransform(event, filters[index] ?? '', laneBy, generation))
  if (count !== undefined) transforms({ number: 1, count })
  const partitioned = count === undefined ? undefined : { stream, consumer, count, from, ackWait, transforms }
  return { work: { find, stream, filter, settings }, partitioned }
}
