/** Random JSON Schemas (draft 07), variations of them, and values that they may accept. */
import fc from 'fast-check'
import type { Keywords, Schema } from '../../../../../bridge/cli/schema/alternatives.ts'

const NAMES = ['a', 'b', 'kind'] as const
const VALUES = [null, true, false, 0, 1, 2, -1, 1.5, '', 'a', 'bb', 'abc', [], [1], ['a'], {}, { a: 1 }] as const

const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })

/** Without members that are undefined. */
const record = (shape: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Keywords> =>
  fc
    .record(shape)
    .map((keywords) => Object.fromEntries(Object.entries(keywords).filter(([, value]) => value !== undefined)))

export const { schema: schemas } = fc.letrec<{ schema: Schema; leaf: Schema }>((tie) => ({
  leaf: fc.oneof(
    fc.constantFrom<Schema>(
      true,
      {},
      { type: 'null' },
      { type: 'boolean' },
      { type: ['string', 'null'] },
      { type: ['integer', 'boolean'] },
    ),
    record({ const: fc.constantFrom(...VALUES) }),
    record({
      enum: fc.uniqueArray(fc.constantFrom(...VALUES), {
        minLength: 1,
        maxLength: 4,
        selector: (value) => JSON.stringify(value),
      }),
    }),
    record({
      type: fc.constantFrom('number', 'integer'),
      minimum: optional(fc.integer({ min: -2, max: 2 })),
      exclusiveMinimum: optional(fc.integer({ min: -2, max: 2 })),
      maximum: optional(fc.integer({ min: 0, max: 4 })),
      exclusiveMaximum: optional(fc.integer({ min: 1, max: 5 })),
      multipleOf: optional(fc.constantFrom(0.5, 1, 2, 4)),
    }),
    record({
      type: fc.constant('string'),
      minLength: optional(fc.nat(2)),
      maxLength: optional(fc.integer({ min: 1, max: 4 })),
      pattern: optional(fc.constantFrom('^a', 'b$')),
    }),
  ),
  schema: fc.oneof(
    { maxDepth: 3 },
    { weight: 3, arbitrary: tie('leaf') },
    {
      weight: 4,
      arbitrary: record({
        type: fc.constant('object'),
        properties: optional(fc.dictionary(fc.constantFrom(...NAMES), tie('schema'), { maxKeys: 3 })),
        required: optional(fc.subarray([...NAMES])),
        additionalProperties: optional(fc.oneof(fc.boolean(), tie('schema'))),
        patternProperties: optional(fc.dictionary(fc.constantFrom('^a', '^b'), tie('schema'), { maxKeys: 1 })),
        propertyNames: optional(fc.constantFrom<Schema>({ enum: ['a', 'b'] }, { maxLength: 1 }, { type: 'string' })),
        minProperties: optional(fc.nat(2)),
        maxProperties: optional(fc.integer({ min: 1, max: 4 })),
      }),
    },
    {
      weight: 2,
      arbitrary: record({
        type: fc.constant('array'),
        items: optional(fc.oneof(tie('schema'), fc.array(tie('schema'), { minLength: 1, maxLength: 2 }))),
        additionalItems: optional(fc.oneof(fc.boolean(), tie('schema'))),
        minItems: optional(fc.nat(2)),
        maxItems: optional(fc.integer({ min: 1, max: 4 })),
        uniqueItems: optional(fc.boolean()),
      }),
    },
    { weight: 2, arbitrary: record({ anyOf: fc.array(tie('schema'), { minLength: 1, maxLength: 3 }) }) },
    { weight: 1, arbitrary: record({ oneOf: fc.array(tie('schema'), { minLength: 1, maxLength: 3 }) }) },
    { weight: 1, arbitrary: record({ allOf: fc.array(tie('schema'), { minLength: 1, maxLength: 2 }) }) },
    { weight: 1, arbitrary: record({ not: tie('leaf') }) },
    {
      weight: 1,
      arbitrary: record({
        if: tie('leaf'),
        // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
        then: optional(tie('leaf')),
        else: optional(tie('leaf')),
        type: optional(fc.constant('string')),
      }),
    },
    // A list: the only recursion that ends by itself.
    {
      weight: 1,
      arbitrary: fc.constant<Schema>({ type: 'object', properties: { a: { type: 'integer' } }, $defs: {} }),
    },
  ),
})) as unknown as { schema: fc.Arbitrary<Schema> }

/** The same schema, another one, or one with a keyword more, less or different. */
export function vary(schema: Schema): fc.Arbitrary<Schema> {
  if (typeof schema === 'boolean') return fc.oneof(fc.constant(schema), schemas)
  const keys = Object.keys(schema)
  const without: fc.Arbitrary<Schema> = fc.constantFrom(...(keys.length > 0 ? keys : ['x'])).map((key) => {
    const { [key]: _, ...rest } = schema
    return rest
  })
  const changed: fc.Arbitrary<Schema> = schemas.map((other) =>
    typeof other === 'object' ? { ...schema, ...other } : schema,
  )
  const wider: fc.Arbitrary<Schema> = schemas.map((other) => ({ anyOf: [other, schema] }))
  const inside = fc.constantFrom(...Object.keys(Object(schema.properties)), 'a').chain((name) =>
    vary((Object(schema.properties)[name] ?? true) as Schema).map(
      (inner): Schema => ({
        ...schema,
        properties: { ...Object(schema.properties), [name]: inner },
      }),
    ),
  )
  return fc.oneof(
    { weight: 2, arbitrary: fc.constant<Schema>(schema) },
    { weight: 3, arbitrary: without },
    { weight: 2, arbitrary: changed },
    { weight: 2, arbitrary: wider },
    { weight: 3, arbitrary: schema.properties ? inside : without },
    { weight: 1, arbitrary: schemas },
  )
}

/** A value that the schema may accept, or undefined: it has only declared properties, unless the schema declares more. */
export function sample(schema: Schema, seed: number): { readonly value: unknown } | undefined {
  const random = createRandom(seed)
  return build([schema], random, 0)
}

function createRandom(seed: number): () => number {
  // Mulberry32.
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

function build(given: readonly Schema[], random: () => number, depth: number): { readonly value: unknown } | undefined {
  const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(random() * list.length)]
  const parts: Keywords[] = []
  const open = [...given]
  while (open.length > 0) {
    const schema = open.pop()
    if (schema === false) return undefined
    if (schema === true || schema === undefined) continue
    const { allOf, anyOf, oneOf, if: condition, then: yes, else: no, ...rest } = schema
    parts.push(rest)
    open.push(...((allOf as Schema[]) ?? []))
    for (const list of [anyOf, oneOf]) if (Array.isArray(list)) open.push(pick(list) as Schema)
    if (condition !== undefined)
      open.push(...(random() < 0.5 ? [condition as Schema, (yes ?? true) as Schema] : [(no ?? true) as Schema]))
  }
  for (const part of parts) {
    if ('const' in part) return { value: part.const }
    if (Array.isArray(part.enum)) return { value: pick(part.enum) }
  }
  const types = parts.flatMap(({ type }) => (type === undefined ? [] : [[type].flat() as string[]]))
  const all = ['null', 'boolean', 'integer', 'number', 'string', 'array', 'object']
  const type = pick(types.length > 0 ? (types[0] ?? all) : all)
  const numbers = (key: string) => parts.flatMap((part) => (typeof part[key] === 'number' ? [part[key] as number] : []))
  if (type === 'null') return { value: null }
  if (type === 'boolean') return { value: random() < 0.5 }
  if (type === 'integer' || type === 'number') {
    const edges = ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'].flatMap(numbers)
    const near = edges.flatMap((edge) => [edge, edge + 1, edge - 1, edge + 0.5, edge - 0.5])
    return { value: pick([...near, 0, 1, 2, 4, -3, ...(type === 'number' ? [0.25, 1.5] : [])]) }
  }
  if (type === 'string') {
    const lengths = [...numbers('minLength'), ...numbers('maxLength'), 0, 1, 3]
    const length = pick(lengths) ?? 0
    return { value: pick(['a'.repeat(length), `${'a'.repeat(Math.max(0, length - 1))}b`, 'x'.repeat(length + 1)]) }
  }
  if (type === 'array') {
    const counts = [...numbers('minItems'), ...numbers('maxItems'), 0, 1, 2]
    const items: unknown[] = []
    for (let at = 0; at < (pick(counts) ?? 0); at++) {
      const inner =
        depth > 4
          ? undefined
          : build(
              parts.map((part) => itemOf(part, at)),
              random,
              depth + 1,
            )
      if (!inner) break
      items.push(inner.value)
    }
    return { value: items }
  }
  return buildObject(parts, random, depth)
}

function itemOf({ items, additionalItems }: Keywords, at: number): Schema {
  if (Array.isArray(items)) return (items[at] ?? additionalItems ?? true) as Schema
  return (items ?? true) as Schema
}

function buildObject(parts: readonly Keywords[], random: () => number, depth: number): { readonly value: unknown } {
  const declares = parts.some(
    ({ properties, patternProperties }) => properties !== undefined || patternProperties !== undefined,
  )
  const isOpen = parts.some(({ additionalProperties }) => additionalProperties !== undefined) || !declares
  const listed = parts.flatMap(({ properties }) => Object.keys(Object(properties)))
  const patterns = parts.flatMap(({ patternProperties }) => Object.keys(Object(patternProperties)))
  const names = [
    ...listed,
    ...patterns.map((pattern) => `${pattern.slice(1)}z`),
    ...(isOpen ? ['a', 'b', 'other'] : []),
  ]
  const required = parts.flatMap((part) => (Array.isArray(part.required) ? (part.required as string[]) : []))
  const value: Record<string, unknown> = {}
  for (const name of new Set([...required, ...names])) {
    if (!required.includes(name) && random() < 0.4) continue
    const schemas = parts.flatMap(({ properties, patternProperties, additionalProperties }) => {
      const own = [
        ...(Object.hasOwn(Object(properties), name) ? [Object(properties)[name] as Schema] : []),
        ...Object.entries(Object(patternProperties) as Record<string, Schema>).flatMap(([pattern, schema]) =>
          new RegExp(pattern).test(name) ? [schema] : [],
        ),
      ]
      return own.length > 0 || additionalProperties === undefined ? own : [additionalProperties as Schema]
    })
    const isDeclared = parts.some(
      ({ properties, patternProperties }) =>
        Object.hasOwn(Object(properties), name) ||
        Object.keys(Object(patternProperties)).some((pattern) => new RegExp(pattern).test(name)),
    )
    if (!isDeclared && !isOpen) continue
    const inner = depth > 4 ? { value: null } : build(schemas, random, depth + 1)
    if (inner) value[name] = inner.value
  }
  return { value }
}
