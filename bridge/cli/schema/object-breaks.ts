import { membersOf } from '../../../sdk/kit/kinds.ts'
import { type Alternative, asSchema, type Keywords, numberOr, type Schema, schemaEntries } from './alternatives.ts'
import type { Break, Check } from './find-breaks.ts'
import { jsonEqual } from './json-equal.ts'

/** Properties: which there may be, which there must be, and their values. */
export function objectBreaks(check: Check): Break[] {
  const { writer, reader, path, part } = check
  const found: Break[] = []
  const at = (name: string) => (path === '' ? name : `${path}.${name}`)
  const sent = readObject(writer)

  for (const name of namesIn(reader.required))
    if (!sent.required.has(name))
      found.push({ path: at(name), reason: 'is required, and may be missing', isUnclear: false })
  for (const name of new Set([...sent.names, ...Object.keys(Object(reader.properties))])) {
    const value = sent.property(name)
    if (value === undefined) continue
    for (const accepted of schemasFor(reader, name))
      if (accepted === false) found.push({ path: at(name), reason: 'is sent, and not accepted', isUnclear: false })
      else found.push(...part(value, accepted, at(name)))
  }
  // Names that no schema lists.
  for (const [pattern, value] of sent.unlisted) found.push(...unlistedBreaks(check, pattern, value))
  return [...found, ...nameBreaks(check, sent), ...countBreaks(check, sent), ...dependencyBreaks(check, sent)]
}

/** The objects that a writer sends. */
interface SentObject {
  readonly required: ReadonlySet<string>
  /** Every name that its schemas list. */
  readonly names: ReadonlySet<string>
  /** The schemas of a property; undefined if it is never sent. */
  property(name: string): readonly Schema[] | undefined
  /** Values under names that no schema lists, by the pattern of the name; undefined for any name. */
  readonly unlisted: ReadonlyArray<readonly [pattern: string | undefined, value: readonly Schema[]]>
  readonly isClosed: boolean
}

function readObject({ parts }: Alternative): SentObject {
  const names = new Set(parts.flatMap(({ properties }) => Object.keys(Object(properties))))
  const patterns = new Set(parts.flatMap(({ patternProperties }) => Object.keys(Object(patternProperties))))
  const isExplicit = parts.some(({ additionalProperties }) => additionalProperties !== undefined)
  // Publishers send only declared properties, unless the schema declares more by `additionalProperties` or no properties.
  const declares = parts.some(
    ({ properties, patternProperties }) => properties !== undefined || patternProperties !== undefined,
  )
  const additional = parts.flatMap(({ additionalProperties }) =>
    additionalProperties === undefined ? [] : [asSchema(additionalProperties)],
  )
  const isClosed = isExplicit ? additional.includes(false) : declares
  const property = (name: string): readonly Schema[] | undefined => {
    const isListed = parts.some((part) => ownSchemas(part, name).length > 0)
    if (!isListed && isClosed) return undefined
    const schemas = parts.flatMap((part) => schemasFor(part, name))
    return schemas.includes(false) ? undefined : schemas
  }
  return {
    required: new Set(parts.flatMap(({ required }) => namesIn(required))),
    names,
    property,
    unlisted: [
      ...[...patterns].map(
        (pattern) => [pattern, parts.flatMap(({ patternProperties: all }) => schemaIn(all, pattern))] as const,
      ),
      ...(isClosed ? [] : [[undefined, additional] as const]),
    ],
    isClosed,
  }
}

/** The schemas that an object's schema names for a property. */
function ownSchemas({ properties, patternProperties }: Keywords, name: string): Schema[] {
  const byPattern = schemaEntries(patternProperties).flatMap(([pattern, schema]) =>
    isMatch(pattern, name) ? [schema] : [],
  )
  return [...schemaIn(properties, name), ...byPattern]
}

/** The same, with the schema of unlisted names. */
function schemasFor(keywords: Keywords, name: string): Schema[] {
  const own = ownSchemas(keywords, name)
  const { additionalProperties } = keywords
  return own.length > 0 || additionalProperties === undefined ? own : [asSchema(additionalProperties)]
}

function schemaIn(map: unknown, name: string): Schema[] {
  return typeof map === 'object' && map !== null && Object.hasOwn(map, name) ? [asSchema(membersOf(map)[name])] : []
}

/** A pattern that can't be read may match: its schema must then hold as well. */
function isMatch(pattern: string, name: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(name)
  } catch {
    return true
  }
}

function unlistedBreaks({ reader, path, part }: Check, pattern: string | undefined, value: readonly Schema[]): Break[] {
  const at = path === '' ? '*' : `${path}.*`
  const patterns = schemaEntries(reader.patternProperties)
  const own = patterns.find(([other]) => other === pattern)
  // Names without a pattern of the reader, and names that may match one.
  const accepted = [
    ...(own ? [own[1]] : reader.additionalProperties === undefined ? [] : [asSchema(reader.additionalProperties)]),
    ...patterns.filter(([other]) => other !== pattern).map(([, schema]) => schema),
    ...(pattern === undefined
      ? []
      : schemaEntries(reader.properties).flatMap(([name, schema]) => (isMatch(pattern, name) ? [schema] : []))),
  ]
  return accepted.flatMap((schema) =>
    schema === false
      ? [{ path: at, reason: 'may have other names, and they are not accepted', isUnclear: false }]
      : part(value, schema, at),
  )
}

function nameBreaks({ writer, reader, path, part }: Check, sent: SentObject): Break[] {
  const { propertyNames } = reader
  if (propertyNames === undefined || propertyNames === true) return []
  const at = path === '' ? 'names' : `${path} names`
  const listed = [...sent.names].filter((name) => sent.property(name) !== undefined)
  const found = listed.flatMap((name) => part([{ const: name }], asSchema(propertyNames), at))
  if (sent.unlisted.length === 0) return found
  const given = writer.parts.flatMap(({ propertyNames: own }) => (own === undefined ? [] : [asSchema(own)]))
  return [...found, ...part([{ type: 'string' }, ...given], asSchema(propertyNames), at)]
}

function countBreaks({ writer, reader, path }: Check, sent: SentObject): Break[] {
  const minProperties = numberOr(reader.minProperties, 0)
  const maxProperties = numberOr(reader.maxProperties, Number.POSITIVE_INFINITY)
  const numbers = (key: string) => writer.parts.flatMap((part) => (typeof part[key] === 'number' ? [part[key]] : []))
  const fewest = Math.max(sent.required.size, ...numbers('minProperties'))
  const listed = sent.unlisted.length === 0 ? [sent.names.size] : []
  const most = Math.min(Number.POSITIVE_INFINITY, ...listed, ...numbers('maxProperties'))
  const found: Break[] = []
  if (fewest < minProperties)
    found.push({
      path,
      reason: `may have ${fewest} properties, and at least ${minProperties} are accepted`,
      isUnclear: false,
    })
  if (most > maxProperties)
    found.push({
      path,
      reason: `may have more properties than the ${maxProperties} that are accepted`,
      isUnclear: false,
    })
  return found
}

function dependencyBreaks({ writer, reader, path }: Check, sent: SentObject): Break[] {
  const { dependentRequired } = reader
  if (dependentRequired === undefined) return []
  if (writer.parts.some((part) => jsonEqual(part.dependentRequired, dependentRequired))) return []
  return Object.entries(Object(dependentRequired)).flatMap(([name, others]) => {
    if (sent.property(name) === undefined) return []
    const missing = namesIn(others).filter((other) => !sent.required.has(other))
    return missing.map((other) => ({
      path: path === '' ? other : `${path}.${other}`,
      reason: `is required where there is ${name}, and may be missing`,
      isUnclear: false,
    }))
  })
}

function namesIn(list: unknown): string[] {
  return Array.isArray(list) ? list.filter((name) => typeof name === 'string') : []
}
