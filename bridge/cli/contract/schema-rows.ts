/** A JSON Schema as rows of a table for people. */
import { membersOf } from '../../../sdk/kit/kinds.ts'

type Keywords = Readonly<Record<string, unknown>>

/** One property. */
export interface FieldRow {
  readonly path: string
  readonly type: string
  readonly isRequired: boolean
  /** Bounds, patterns, formats. */
  readonly rules: string
  readonly description: string
}

const MAX_DEPTH = 8

/** The properties of an object's schema. Each is followed by its own properties. */
export function fieldRows(schema: Keywords, path = '', depth = 0): FieldRow[] {
  if (depth > MAX_DEPTH) return []
  const required = Array.isArray(schema.required) ? schema.required : []
  return Object.entries(membersOf(schema.properties)).flatMap(([name, property]) => {
    const value = membersOf(property)
    const at = path === '' ? name : `${path}.${name}`
    const { description } = value
    const row: FieldRow = {
      path: at,
      type: describeType(property),
      isRequired: required.includes(name),
      rules: rulesOf(value),
      description: typeof description === 'string' ? description : '',
    }
    const items = membersOf(value.items)
    const inner = items.properties ? fieldRows(items, `${at}[]`, depth + 1) : fieldRows(value, at, depth + 1)
    return [row, ...inner]
  })
}

/** A type in words, such as `string | null` or `number[]`. */
export function describeType(schema: unknown): string {
  if (typeof schema !== 'object' || schema === null) return schema === false ? 'nothing' : 'anything'
  const { type, enum: values, anyOf, oneOf, items, $ref } = membersOf(schema)
  if ('const' in schema) return JSON.stringify(schema.const)
  if (Array.isArray(values)) return values.map((value) => JSON.stringify(value)).join(' | ')
  const branches = anyOf ?? oneOf
  if (Array.isArray(branches)) return branches.map(describeType).join(' | ')
  if (typeof $ref === 'string') return $ref === '#' ? 'the same again' : ($ref.split('/').at(-1) ?? $ref)
  if (type === 'array')
    return Array.isArray(items) ? `[${items.map(describeType).join(', ')}]` : `${describeType(items)}[]`
  if (Array.isArray(type)) return type.join(' | ')
  return typeof type === 'string' ? type : 'anything'
}

const RULES: Readonly<Record<string, string>> = {
  minimum: 'from',
  exclusiveMinimum: 'above',
  maximum: 'up to',
  exclusiveMaximum: 'below',
  multipleOf: 'a multiple of',
  minLength: 'characters from',
  maxLength: 'characters up to',
  minItems: 'items from',
  maxItems: 'items up to',
  pattern: 'matches',
  format: 'format',
  default: 'default',
}

function rulesOf(schema: Keywords): string {
  return Object.entries(RULES)
    .flatMap(([key, words]) => {
      const value = schema[key]
      if (value === undefined || Math.abs(Number(value)) === Number.MAX_SAFE_INTEGER) return []
      return [`${words} ${typeof value === 'string' ? value : JSON.stringify(value)}`]
    })
    .join(', ')
}
