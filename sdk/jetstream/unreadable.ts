import { splitFilters } from '../wire/filter-list.ts'
import { filtersOverlap } from '../wire/subject.ts'
import type { StreamConfig } from './api.ts'

/**
 * Why a stream's messages can't be replayed, as the description of a status. Undefined if they can. Without it, nats-server
 * refuses each consumer, or delivers nothing because the messages are stored under other subjects.
 */
export function whyUnreadable({ retention, subject_transform }: StreamConfig, filter: string): string | undefined {
  // Its messages are for one consumer, which takes them away.
  if (retention === 'workqueue') return 'Work Queue Retention'
  const { src, dest } = Object(subject_transform) as { readonly src?: unknown; readonly dest?: unknown }
  if (typeof dest !== 'string' || dest === '' || dest === src) return undefined
  const isTransformed =
    typeof src !== 'string' || src === '' || splitFilters(filter).some((one) => filtersOverlap(src, one))
  return isTransformed ? 'Subject Transform' : undefined
}
