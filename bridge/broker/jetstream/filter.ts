import { hasWildcard, isSubsetFilter, matchesFilter } from '../../../sdk/wire/subject.ts'

/** Subjects of a stream that match any of the filters. All subjects without a filter. */
export class Filter {
  readonly filters: readonly string[]
  /** The subject, if only one matches. */
  readonly literal: string | undefined
  /** Undefined: all subjects match. */
  readonly matches: ((subject: string) => boolean) | undefined

  /** @param streamSubjects the subjects that the stream may have. Undefined if they are unknown */
  constructor(filters: readonly string[], streamSubjects: readonly string[] | undefined) {
    const [only = '>'] = filters
    this.filters = filters
    this.literal = filters.length === 1 && !hasWildcard(only) ? only : undefined
    const takesAll =
      filters.length === 0 ||
      (filters.length === 1 && !!streamSubjects?.every((subject) => isSubsetFilter(subject, only)))
    this.matches = takesAll ? undefined : (subject) => filters.some((filter) => matchesFilter(filter, subject))
  }
}
