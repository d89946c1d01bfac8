/**
 * Lists of subject filters, as one text: the filters in ascending order, separated by blanks. A filter has no blank, so a
 * list of one filter is the filter itself.
 */
import { filtersOverlap, isSubjectFilter, isSubsetFilter } from './subject.ts'

/** Most filters of a list. Each is a filter of a JetStream consumer, and is compared with each message. */
export const MAX_LISTED = 32

/** Returns the filters of a list. */
export function splitFilters(list: string): string[] {
  return list.split(' ')
}

/** Returns the list of some filters, without filters that another one contains. */
export function joinFilters(filters: readonly string[]): string {
  const distinct = [...new Set(filters)]
  return distinct
    .filter((one) => !distinct.some((other) => other !== one && isSubsetFilter(one, other)))
    .sort()
    .join(' ')
}

/** Returns two filters of a list that overlap. JetStream does not accept them in one consumer. */
export function findOverlap(list: string): readonly [string, string] | undefined {
  const filters = splitFilters(list)
  for (const [index, one] of filters.entries()) {
    const other = filters.slice(index + 1).find((next) => filtersOverlap(one, next))
    if (other !== undefined) return [one, other]
  }
  return undefined
}

/** Whether a text is a list of at most {@link MAX_LISTED} valid filters that do not overlap. */
export function isFilterList(list: string): boolean {
  const filters = splitFilters(list)
  return filters.length <= MAX_LISTED && filters.every(isSubjectFilter) && !findOverlap(list)
}

/** Whether every subject of a list is in one of `outer`. */
export function isWithin(list: string, outer: readonly string[]): boolean {
  return splitFilters(list).every((filter) => outer.some((one) => isSubsetFilter(filter, one)))
}
