/** A schema as a union of simple alternatives: each of one type, or one value. */
import { membersOf } from '../../../sdk/kit/kinds.ts'
import { jsonEqual } from './json-equal.ts'

/** A JSON Schema, draft 07 or 2020-12. */
export type Schema = boolean | Keywords
/** The keywords of a schema object. */
export type Keywords = Readonly<Record<string, unknown>>

/** The types of JSON values. Integers are numbers as well. */
export type JsonType = 'null' | 'boolean' | 'integer' | 'number' | 'string' | 'array' | 'object'

/** Whether a value has the form of a schema. */
function isSchema(value: unknown): value is Schema {
  return typeof value === 'boolean' || (typeof value === 'object' && value !== null)
}

/** The schema in a keyword. A missing or malformed one accepts everything. */
export function asSchema(value: unknown): Schema {
  return isSchema(value) ? value : true
}

/** The schemas in a keyword by name or pattern, such as in `properties`. */
export function schemaEntries(map: unknown): Array<readonly [name: string, schema: Schema]> {
  return Object.entries(Object(map)).map(([name, schema]) => [name, asSchema(schema)])
}

/** The number in a keyword, or else `fallback`. */
export function numberOr(value: unknown, fallback: number): number {
  return typeof value === 'number' ? value : fallback
}

/** Values of one type for which all of these keywords hold. */
export interface Alternative {
  readonly type: JsonType
  /** Without `$ref`, `allOf`, `anyOf`, `oneOf`, `enum` and `const`: those are worked in. */
  readonly parts: readonly Keywords[]
  /** The document of `$ref` inside of the parts. */
  readonly root: Schema
  /** The one value, if there is one. */
  readonly only?: { readonly value: unknown }
}

const TYPES: readonly JsonType[] = ['null', 'boolean', 'number', 'string', 'array', 'object']
/** More are not looked at one by one: their `anyOf` is left out, which only makes the union larger. */
const MAX_ALTERNATIVES = 512
/** References that are followed inside of one alternative. */
const MAX_REFS = 32

/**
 * Writes the values that all of these schemas accept as alternatives. Keywords that can't be expressed are left out, so that the
 * union may be larger than the schemas, and never smaller.
 */
export function alternativesOf(schemas: readonly Schema[], root: Schema): Alternative[] {
  return expand(schemas, root).flatMap((parts) => {
    const values = valuesOf(parts)
    const plain = parts.map(withoutValues)
    const types = typesOf(plain)
    if (values !== undefined)
      return values
        .filter((value) => types.some((type) => isOfType(value, type)))
        .map((value) => ({ type: typeOf(value), parts: [...plain, ...asParts(value)], root, only: { value } }))
    return types.flatMap((type): Alternative[] =>
      type === 'null' || type === 'boolean'
        ? (type === 'null' ? [null] : [true, false]).map((value) => ({ type, parts: plain, root, only: { value } }))
        : [{ type, parts: plain, root }],
    )
  })
}

/** Unions of conjunctions: every `$ref` followed, every `allOf` joined, every `anyOf` and `oneOf` taken apart. */
function expand(schemas: readonly Schema[], root: Schema): Keywords[][] {
  const done: Keywords[][] = []
  const waiting: Array<{ readonly parts: Keywords[]; readonly open: readonly Schema[]; readonly refs: number }> = [
    { parts: [], open: schemas, refs: 0 },
  ]
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { parts, refs } = next
    const [schema, ...open] = next.open
    if (next.open.length === 0) done.push(parts)
    if (schema === false || next.open.length === 0) continue
    if (schema === true || schema === undefined) {
      waiting.push({ parts, open, refs })
      continue
    }
    const { $ref, allOf, anyOf, oneOf, ...rest } = schema
    const isRef = typeof $ref === 'string'
    // A reference that leads to itself never ends: it is left out.
    const referred = isRef && refs < MAX_REFS ? [resolveRef($ref, root)] : []
    const branches = [asList(anyOf), asList(oneOf)].filter((list) => list.length > 0)
    const count = branches.reduce((product, list) => product * list.length, done.length + waiting.length + 1)
    // From the last to the first, so that the alternatives keep the order of the schema.
    for (const choice of (count > MAX_ALTERNATIVES ? [[]] : combinations(branches)).reverse())
      waiting.push({
        parts: [...parts, rest],
        open: [...referred, ...asList(allOf), ...choice, ...open],
        refs: refs + (isRef ? 1 : 0),
      })
  }
  return done
}

function combinations(lists: ReadonlyArray<readonly Schema[]>): Schema[][] {
  return lists.reduce<Schema[][]>((all, list) => all.flatMap((one) => list.map((item) => [...one, item])), [[]])
}

/** The values that `enum` and `const` allow; undefined if there is neither. */
function valuesOf(parts: readonly Keywords[]): unknown[] | undefined {
  let found: unknown[] | undefined
  for (const part of parts)
    for (const list of ['const' in part ? [part.const] : undefined, Array.isArray(part.enum) ? part.enum : undefined])
      if (list) found = found ? found.filter((one) => list.some((other) => jsonEqual(one, other))) : list
  return found
}

function withoutValues({ enum: _, const: __, ...rest }: Keywords): Keywords {
  return rest
}

function typesOf(parts: readonly Keywords[]): JsonType[] {
  return parts.reduce<JsonType[]>(
    (types, { type }) => {
      if (type === undefined) return types
      const allowed: readonly unknown[] = Array.isArray(type) ? type : [type]
      return types.flatMap((one) => {
        if (allowed.includes(one)) return [one]
        return one === 'number' && allowed.includes('integer')
          ? (['integer'] as const)
          : one === 'integer' && allowed.includes('number')
            ? [one]
            : []
      })
    },
    [...TYPES],
  )
}

/** The type of a value; a whole number is an integer. */
export function typeOf(value: unknown): JsonType {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return TYPES.find((type) => type === typeof value) ?? 'object'
}

export function isOfType(value: unknown, type: JsonType): boolean {
  const own = typeOf(value)
  return own === type || (own === 'integer' && type === 'number')
}

/** A composite value as keywords: its parts are then compared one by one. */
function asParts(value: unknown): Keywords[] {
  if (Array.isArray(value))
    return [{ prefixItems: value.map(asConst), items: false, minItems: value.length, maxItems: value.length }]
  if (typeof value !== 'object' || value === null) return []
  const properties = Object.fromEntries(Object.entries(value).map(([key, member]) => [key, asConst(member)]))
  return [{ properties, required: Object.keys(value), additionalProperties: false }]
}

function asConst(value: unknown): Keywords {
  return { const: value }
}

function asList(value: unknown): Schema[] {
  return Array.isArray(value) ? value : []
}

/**
 * The schema that a reference inside of the same document points to. An unknown reference accepts everything.
 * Source: RFC 6901.
 */
export function resolveRef(ref: string, root: Schema): Schema {
  if (ref !== '#' && !ref.startsWith('#/')) return true
  let at: unknown = root
  for (const token of ref.split('/').slice(1)) {
    const key = decodeURIComponent(token).replaceAll('~1', '/').replaceAll('~0', '~')
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return true
    at = membersOf(at)[key]
  }
  return asSchema(at)
}
