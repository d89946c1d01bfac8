import { isSubsetFilter } from '../../../sdk/wire/subject.ts'
import { apiErrors } from './api-error.ts'
import { asFields, type Fields, integer, isName, refuseOthers, text } from './fields.ts'
import { createTransform } from './subject-transform.ts'

/** Another stream whose messages a stream copies (nats-server's StreamSource). */
export interface SourceConfig {
  readonly name: string
  readonly opt_start_seq?: number
  readonly opt_start_time?: string
  readonly filter_subject?: string
  readonly subject_transforms?: ReadonlyArray<{ readonly src: string; readonly dest: string }>
}

const KNOWN: ReadonlySet<string> = new Set([
  'name',
  'opt_start_seq',
  'opt_start_time',
  'filter_subject',
  'subject_transforms',
])

/** Reads the sources in a create or update request. Undefined if there are none. Throws ApiError. */
export function readSources(fields: Fields): readonly SourceConfig[] | undefined {
  const given = fields.sources ?? []
  if (!Array.isArray(given)) throw apiErrors.invalidJson('sources must be a list')
  const sources = given.map((one) => readSource(asFields(one)))
  if (new Set(sources.map(sourceId)).size < sources.length) throw apiErrors.duplicateSource()
  return sources.length > 0 ? sources : undefined
}

function readSource(fields: Fields): SourceConfig {
  refuseOthers(fields, KNOWN, apiErrors.streamInvalidConfig)
  const name = text(fields, 'name') ?? ''
  if (!isName(name)) throw apiErrors.streamInvalidConfig('sourced stream name is invalid')
  const seq = integer(fields, 'opt_start_seq')
  const time = text(fields, 'opt_start_time')
  const filter = text(fields, 'filter_subject')
  const transforms = readTransforms(fields)
  if (filter !== undefined && transforms.length > 0) throw apiErrors.sourceFilterAndTransforms()
  if (time !== undefined && Number.isNaN(Date.parse(time))) throw apiErrors.invalidJson('opt_start_time is not a time')
  return {
    name,
    ...(seq > 0 && { opt_start_seq: seq }),
    ...(time !== undefined && { opt_start_time: time }),
    ...(filter !== undefined && { filter_subject: filter }),
    ...(transforms.length > 0 && { subject_transforms: transforms }),
  }
}

function readTransforms(fields: Fields): Array<{ readonly src: string; readonly dest: string }> {
  const given = fields.subject_transforms ?? []
  if (!Array.isArray(given)) throw apiErrors.invalidJson('subject_transforms must be a list')
  const transforms = given.map((one) => {
    const own = asFields(one)
    const [src, dest] = [text(own, 'src') ?? '>', text(own, 'dest') ?? '']
    if (dest !== '' && !createTransform(src, dest)) throw apiErrors.sourceTransform(dest)
    return { src, dest }
  })
  for (const [index, { src }] of transforms.entries())
    if (transforms.some((other, at) => at !== index && isSubsetFilter(src, other.src))) throw apiErrors.sourceFilters()
  return transforms
}

/** Identity of a source: its stream, filters and transforms, as they are in the header of each copy. */
export function sourceId({ name, filter_subject, subject_transforms = [] }: SourceConfig): string {
  const filters = subject_transforms.map(({ src }) => src).join('') || filter_subject || '>'
  const destinations = subject_transforms.map(({ dest }) => dest).join('') || '>'
  return `${name} ${filters} ${destinations}`
}
