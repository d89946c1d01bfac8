/** A value that a JSON Schema accepts, as a first guess for people to change. */
import { membersOf } from '../../../sdk/kit/kinds.ts'

type Keywords = Readonly<Record<string, unknown>>

const TEXTS: Readonly<Record<string, () => string>> = {
  uuid: () => crypto.randomUUID(),
  'date-time': () => new Date().toISOString(),
  date: () => new Date().toISOString().slice(0, 10),
  email: () => 'ada@example.com',
  uri: () => 'https://example.com',
  ipv4: () => '192.0.2.1',
}

export function exampleOf(schema: unknown, depth = 0): unknown {
  if (typeof schema !== 'object' || schema === null || depth > 6) return null
  const { default: preset, examples, enum: values, anyOf, oneOf, allOf, type } = membersOf(schema)
  if (preset !== undefined) return preset
  if (Array.isArray(examples) && examples.length > 0) return examples[0]
  if ('const' in schema) return schema.const
  if (Array.isArray(values)) return values[0]
  const branches = anyOf ?? oneOf
  if (Array.isArray(branches)) return exampleOf(branches[0], depth + 1)
  if (Array.isArray(allOf)) return Object.assign({}, ...allOf.map((part) => exampleOf(part, depth + 1)))
  return exampleOfType(Array.isArray(type) ? type[0] : type, membersOf(schema), depth)
}

function exampleOfType(type: unknown, schema: Keywords, depth: number): unknown {
  if (type === 'string') return textOf(schema)
  if (type === 'number' || type === 'integer') {
    const { minimum, exclusiveMinimum } = schema
    const least = typeof minimum === 'number' && minimum > -1e9 ? minimum : 1
    return typeof exclusiveMinimum === 'number'
      ? exclusiveMinimum + 1
      : Math.max(least, Math.min(1, Number(schema.maximum ?? 1)))
  }
  if (type === 'boolean') return true
  if (type === 'array') {
    const { items, prefixItems, minItems } = schema
    const tuple = Array.isArray(prefixItems) ? prefixItems : Array.isArray(items) ? items : undefined
    if (tuple) return tuple.map((item) => exampleOf(item, depth + 1))
    return Number(minItems) > 0 || depth < 2 ? [exampleOf(items, depth + 1)] : []
  }
  if (type === 'object' || schema.properties !== undefined) {
    const { properties, required } = schema
    const names = Object.entries(Object(properties)).filter(
      ([name]) => depth < 2 || (Array.isArray(required) && required.includes(name)),
    )
    return Object.fromEntries(names.map(([name, value]) => [name, exampleOf(value, depth + 1)]))
  }
  return null
}

function textOf({ format, minLength, maxLength }: Keywords): string {
  const known = typeof format === 'string' ? TEXTS[format] : undefined
  if (known) return known()
  const text = 'hello'.padEnd(Number(minLength ?? 0), '!')
  return typeof maxLength === 'number' ? text.slice(0, maxLength) : text
}
