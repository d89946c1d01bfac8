import { hasWildcard, isSubsetFilter, matchesFilter } from '../../../sdk/wire/subject.ts'

/** Which of a stream's subjects are meant: those of any of the filters; all without a filter. */
export class Filter {
  readonly filters: readonly string[]
  /** The one subject that is meant, if it is only one. */
  readonly literal: string | undefined
  /** Undefined: everything passes. */
  readonly matches: ((subject: string) => boolean) | undefined

  constructor(filters: readonly string[], streamSubjects: readonly string[]) {
    const [only] = filters
    this.filters = filters
    this.literal = filters.length === 1 && only !== undefined && !hasWildcard(only) ? only : undefined
    const takesAll =
      filters.length === 0 ||
      (filters.length === 1 && streamSubjects.every((subject) => isSubsetFilter(subject, only as string)))
    this.matches = takesAll ? undefined : (subject) => filters.some((filter) => matchesFilter(filter, subject))
  }
}
