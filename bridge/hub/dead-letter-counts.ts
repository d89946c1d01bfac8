import type { JetStreamLink } from '../../sdk/jetstream/jetstream-link.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { filtersOverlap, isSubjectFilter } from '../../sdk/wire/subject.ts'

/** Filters of the option. Each costs one request per stream that has matching subjects. */
const MAX_FILTERS = 10
/** Subjects of one report. The ones with the most dead letters are kept. */
const MAX_SUBJECTS = 100

/** Dead letters on one subject of a stream. */
export interface DeadLetterCount {
  readonly stream: string
  readonly subject: string
  readonly messages: number
}

/**
 * Checks the filters of dead letters.
 * @param what name of the option, for errors
 * @throws SpanwireError `invalid-argument`
 */
export function checkDeadLetterFilters(filters: readonly string[], what: string): void {
  const wrong = (problem: string) => new SpanwireError('invalid-argument', `${what} ${problem}`)
  if (!Array.isArray(filters) || filters.length > MAX_FILTERS)
    throw wrong(`must be a list of at most ${MAX_FILTERS} subject filters, such as ['dead.>'].`)
  const bad = filters.find((filter) => !isSubjectFilter(filter))
  if (bad !== undefined) throw wrong(`contains ${JSON.stringify(bad)}, which is not a valid subject filter.`)
}

/**
 * Counts the messages on subjects that match the filters, by subject.
 * @param timeout of each request, in ms
 * @throws SpanwireError (as rejection) `timeout`, `upstream-unavailable`
 */
export async function countDeadLetters(
  link: JetStreamLink,
  streams: ReadonlyArray<{ readonly name: string; readonly subjects: readonly string[] }>,
  filters: readonly string[],
  timeout: number,
): Promise<readonly DeadLetterCount[]> {
  const counts = new Map<string, DeadLetterCount>()
  for (const { name: stream, subjects } of streams)
    for (const filter of filters) {
      if (!subjects.some((subject) => filtersOverlap(subject, filter))) continue
      const body = new TextEncoder().encode(JSON.stringify({ subjects_filter: filter }))
      const { payload } = await link.request(`$JS.API.STREAM.INFO.${stream}`, body, { timeout })
      const { state } = Object(JSON.parse(new TextDecoder().decode(payload)))
      for (const [subject, messages] of Object.entries(Object(Object(state).subjects)))
        if (Number.isSafeInteger(messages))
          counts.set(`${stream} ${subject}`, { stream, subject, messages: messages as number })
    }
  return [...counts.values()].sort((a, b) => b.messages - a.messages).slice(0, MAX_SUBJECTS)
}
