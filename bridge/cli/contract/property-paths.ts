import { membersOf } from '../../../sdk/kit/kinds.ts'

/** The properties that a JSON Schema lists, such as `items[].price`, for people: unions are looked into as well. */
export function propertyPaths(schema: unknown): string[] {
  const found = new Set<string>()
  visit(schema, '', found, 0)
  return [...found]
}

/** Deeper schemas are recursive, or not for people. */
const MAX_DEPTH = 12

function visit(schema: unknown, path: string, found: Set<string>, depth: number): void {
  if (typeof schema !== 'object' || schema === null || depth > MAX_DEPTH) return
  const { properties, items, prefixItems, anyOf, oneOf, allOf } = membersOf(schema)
  for (const [name, inner] of Object.entries(Object(properties))) {
    const at = path === '' ? name : `${path}.${name}`
    found.add(at)
    visit(inner, at, found, depth + 1)
  }
  for (const inner of [items, prefixItems].flat()) visit(inner, `${path}[]`, found, depth + 1)
  for (const inner of [anyOf, oneOf, allOf].flat()) visit(inner, path, found, depth + 1)
}
