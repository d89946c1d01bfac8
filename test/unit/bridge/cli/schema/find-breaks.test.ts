import { Ajv2019 } from 'ajv/dist/2019.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Schema } from '../../../../../bridge/cli/schema/alternatives.ts'
import { findBreaks } from '../../../../../bridge/cli/schema/find-breaks.ts'
import { sample, schemas, vary } from './arbitrary-schema.ts'

const json = (schema: z.ZodType): Schema => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', target: 'draft-07' })
  return rest
}
const object = (shape: z.ZodRawShape) => json(z.object(shape))
const tree = (leaf: z.ZodType): Schema => {
  const node: z.ZodType = z.object({ value: leaf, children: z.array(z.lazy(() => node)) })
  return json(node)
}

/** The schemas of writer and reader, and the paths of the breaks between them; `?` where unclear. */
const CASES: ReadonlyArray<readonly [what: string, writer: Schema, reader: Schema, breaks: readonly string[]]> = [
  ['the same', object({ a: z.string() }), object({ a: z.string() }), []],
  ['anything to anything', {}, true, []],
  ['anything to a string', {}, { type: 'string' }, ['', '', '', '', '']],
  ['nothing to a string', false, { type: 'string' }, []],
  ['a string to nothing', { type: 'string' }, false, ['']],
  ['a string to a length that is not a number', { type: 'string' }, { type: 'string', minLength: '5' }, ['?']],
  ['a string to a pattern that is not a text', { type: 'string' }, { type: 'string', pattern: 5 }, ['?']],

  ['a required property that was added', object({ a: z.string() }), object({ a: z.string(), b: z.number() }), ['b']],
  [
    'an optional property that was added',
    object({ a: z.string() }),
    object({ a: z.string(), b: z.number().optional() }),
    [],
  ],
  ['a property that is ignored', object({ a: z.string(), b: z.number() }), object({ a: z.string() }), []],
  ['a property that a strict object refuses', object({ b: z.number() }), json(z.strictObject({})), ['b']],
  ['a property that became optional', object({ a: z.string().optional() }), object({ a: z.string() }), ['a']],
  ['a property that became required', object({ a: z.string() }), object({ a: z.string().optional() }), []],
  [
    'an optional property of another type',
    object({ a: z.number().optional() }),
    object({ a: z.string().optional() }),
    ['a'],
  ],
  [
    'a nested property',
    object({ a: z.object({ b: z.object({ c: z.number() }) }) }),
    object({ a: z.object({ b: z.object({ c: z.string() }) }) }),
    ['a.b.c'],
  ],
  ['names that are not listed, to a strict object', json(z.looseObject({})), json(z.strictObject({})), ['*']],
  [
    'names that are not listed, to a record',
    json(z.record(z.string(), z.number())),
    json(z.record(z.string(), z.string())),
    ['*'],
  ],
  [
    'a record to a record that accepts more',
    json(z.record(z.string(), z.int())),
    json(z.record(z.string(), z.number())),
    [],
  ],
  [
    'names of a record',
    json(z.record(z.string(), z.number())),
    { type: 'object', propertyNames: { enum: ['a'] } },
    ['names'],
  ],
  ['listed names to a record', object({ a: z.number(), b: z.string() }), json(z.record(z.string(), z.number())), ['b']],
  [
    'a loose object to a listed property',
    json(z.looseObject({})),
    object({ a: z.string().optional() }),
    ['a', 'a', 'a', 'a', 'a'],
  ],
  [
    'a catchall to a listed property',
    json(z.object({}).catchall(z.string())),
    object({ a: z.string().optional() }),
    [],
  ],
  [
    'pattern properties',
    { type: 'object', patternProperties: { '^x': { type: 'number' } }, additionalProperties: false },
    { type: 'object', patternProperties: { '^x': { type: 'string' } } },
    ['*'],
  ],
  ['too few properties', object({ a: z.string().optional() }), { type: 'object', minProperties: 1 }, ['']],
  ['too many properties', object({ a: z.string(), b: z.string() }), { type: 'object', maxProperties: 1 }, ['']],
  [
    'a property that another requires',
    object({ a: z.string(), b: z.string().optional() }),
    { dependentRequired: { a: ['b'] } },
    ['b'],
  ],

  ['an enum that grew', json(z.enum(['a', 'b'])), json(z.enum(['a'])), ['']],
  ['an enum that shrank', json(z.enum(['a'])), json(z.enum(['a', 'b'])), []],
  ['an enum to a string', json(z.enum(['a'])), json(z.string()), []],
  ['a string to an enum', json(z.string()), json(z.enum(['a'])), ['']],
  ['a constant to another', json(z.literal('a')), json(z.literal('b')), ['']],
  ['a constant to its type', json(z.literal(7)), json(z.number()), []],
  ['a constant object', { const: { a: 1 } }, object({ a: z.number().min(1) }), []],
  ['a constant object that breaks', { const: { a: 1 } }, object({ a: z.number().min(2) }), ['a']],
  ['both booleans', json(z.boolean()), json(z.union([z.literal(true), z.literal(false)])), []],
  ['a boolean to true', json(z.boolean()), json(z.literal(true)), ['']],

  ['a type', json(z.string()), json(z.number()), ['']],
  ['an integer to a number', json(z.int()), json(z.number()), []],
  ['a number to an integer', json(z.number()), { type: 'integer' }, ['']],
  ['null that was added', json(z.string().nullable()), json(z.string()), ['']],
  ['null that was removed', json(z.string()), json(z.string().nullable()), []],
  ['nullish', object({ a: z.string().nullish() }), object({ a: z.string().optional() }), ['a']],

  ['a lower bound', json(z.number().min(0)), json(z.number().min(1)), ['']],
  ['a lower bound that fell', json(z.number().min(1)), json(z.number().min(0)), []],
  ['no lower bound', json(z.number()), json(z.number().min(0)), ['']],
  ['an exclusive bound', json(z.number().gt(0)), json(z.number().min(0)), []],
  ['an inclusive bound to an exclusive', json(z.number().min(0)), json(z.number().gt(0)), ['']],
  ['an exclusive bound of an integer', { type: 'integer', exclusiveMinimum: 0 }, { type: 'integer', minimum: 1 }, []],
  ['an upper bound', json(z.number().max(2)), json(z.number().max(1)), ['']],
  ['a multiple', json(z.number().multipleOf(10)), json(z.number().multipleOf(5)), []],
  ['not a multiple', json(z.number().multipleOf(5)), json(z.number().multipleOf(10)), ['']],

  ['a shorter text', json(z.string().max(5)), json(z.string().max(10)), []],
  ['a longer text', json(z.string().max(10)), json(z.string().max(5)), ['']],
  ['a text that may be empty', json(z.string()), json(z.string().min(1)), ['']],
  ['the same pattern', json(z.string().regex(/^a/)), json(z.string().regex(/^a/)), []],
  ['another pattern', json(z.string().regex(/^ab/)), json(z.string().regex(/^a/)), ['?']],
  ['a value that the pattern matches', json(z.literal('abc')), json(z.string().regex(/^a/)), []],
  ['a value that it does not match', json(z.literal('xyz')), json(z.string().regex(/^a/)), ['']],
  ['a pattern that was removed', json(z.string().regex(/^a/)), json(z.string()), []],
  ['a format that was added', json(z.string()), { type: 'string', format: 'uuid' }, ['']],
  ['the same format', json(z.uuid()), json(z.uuid()), []],
  ['another format', { type: 'string', format: 'date' }, { type: 'string', format: 'date-time' }, ['?']],
  ['a format that was removed', json(z.iso.datetime()), json(z.string()), []],

  ['items', json(z.array(z.number())), json(z.array(z.string())), ['[]']],
  [
    'items of objects',
    json(z.array(z.object({ a: z.string() }))),
    json(z.array(z.object({ a: z.string(), b: z.string() }))),
    ['[].b'],
  ],
  ['more items', json(z.array(z.string()).max(5)), json(z.array(z.string()).max(3)), ['']],
  ['fewer items', json(z.array(z.string())), json(z.array(z.string()).min(1)), ['']],
  ['a tuple to an array', json(z.tuple([z.string(), z.string()])), json(z.array(z.string())), []],
  ['a tuple to another', json(z.tuple([z.string(), z.number()])), json(z.tuple([z.string(), z.string()])), ['[1]']],
  ['items that may be the same', json(z.array(z.string())), { type: 'array', uniqueItems: true }, ['']],
  ['a required item', json(z.array(z.string())), { type: 'array', contains: { const: 'a' } }, ['?']],

  ['a union that grew', json(z.union([z.string(), z.number()])), json(z.string()), ['']],
  ['a union that shrank', json(z.string()), json(z.union([z.string(), z.number()])), []],
  ['a union in another order', json(z.union([z.string(), z.number()])), json(z.union([z.number(), z.string()])), []],
  [
    'a discriminated union that grew',
    json(z.discriminatedUnion('kind', [z.object({ kind: z.literal('a') }), z.object({ kind: z.literal('b') })])),
    json(z.discriminatedUnion('kind', [z.object({ kind: z.literal('a') })])),
    ['kind'],
  ],
  [
    'a discriminated union that shrank',
    json(z.discriminatedUnion('kind', [z.object({ kind: z.literal('a'), n: z.number() })])),
    json(
      z.discriminatedUnion('kind', [
        z.object({ kind: z.literal('a'), n: z.number() }),
        z.object({ kind: z.literal('b') }),
      ]),
    ),
    [],
  ],
  [
    'a branch of a union that changed',
    json(
      z.discriminatedUnion('kind', [
        z.object({ kind: z.literal('a'), n: z.number() }),
        z.object({ kind: z.literal('b') }),
      ]),
    ),
    json(
      z.discriminatedUnion('kind', [
        z.object({ kind: z.literal('a'), n: z.string() }),
        z.object({ kind: z.literal('b') }),
      ]),
    ),
    ['n'],
  ],
  [
    'an object whose mark has several values, to a union of them',
    object({ kind: z.enum(['a', 'b']), n: z.number() }),
    json(
      z.discriminatedUnion('kind', [
        z.object({ kind: z.literal('a'), n: z.number() }),
        z.object({ kind: z.literal('b') }),
      ]),
    ),
    [],
  ],
  [
    'an intersection',
    json(z.intersection(z.object({ a: z.string() }), z.object({ b: z.string() }))),
    object({ a: z.string(), b: z.string() }),
    [],
  ],
  [
    'to an intersection',
    object({ a: z.string() }),
    json(z.intersection(z.object({ a: z.string() }), z.object({ b: z.string() }))),
    ['b'],
  ],
  ['oneOf whose branches overlap', { type: 'integer' }, { oneOf: [{ type: 'integer' }, { type: 'number' }] }, ['?']],
  ['not another type', { type: 'string' }, { not: { type: 'number' } }, []],
  ['not a value of it', { type: 'string' }, { not: { const: 'a' } }, ['?']],
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  ['if and then', object({ a: z.string() }), { if: { required: ['a'] }, then: { required: ['b'] } }, ['b']],

  ['a recursive schema', tree(z.string()), tree(z.string()), []],
  ['a recursive schema that accepts more', tree(z.int()), tree(z.number()), []],
  ['a recursive schema that breaks inside', tree(z.number()), tree(z.string()), ['value', 'children[].value']],
  ['a reference that leads to itself', { $ref: '#' }, { $ref: '#' }, []],
  ['a keyword that is not known', { type: 'object' }, { type: 'object', unevaluatedProperties: false }, ['?']],
  ['the same keyword that is not known', { type: 'object', 'x-y': 1 }, { type: 'object', 'x-y': 1 }, []],
  ['annotations', { type: 'string', description: 'a' }, { type: 'string', title: 'b', default: 'c' }, []],
]

describe('breaks between a writer and a reader', () => {
  it.each(CASES)('%s', (_, writer, reader, expected) => {
    const found = findBreaks(writer, reader)
    expect(found.map(({ path, isUnclear }) => (isUnclear ? '?' : path))).toEqual(expected)
  })
})

describe('the proof', () => {
  it('is sound: without a break the reader accepts every value of the writer', () => {
    const counts = { proved: 0, refuted: 0 }
    fc.assert(
      fc.property(
        schemas.chain((schema) => fc.tuple(fc.constant(schema), vary(schema))),
        fc.boolean(),
        fc.nat(),
        ([a, b], swap, seed) => {
          const [writer, reader] = swap ? [b, a] : [a, b]
          const isProved = findBreaks(writer, reader).length === 0
          counts[isProved ? 'proved' : 'refuted']++
          if (!isProved) return
          // Both: a branch of oneOf that is closed may leave the value to another.
          const [sends, isClosed, accepts] = [writer, closed(writer), reader].map(validator)
          for (let n = 0; n < 20; n++) {
            const value = sample(writer, seed + n)
            // A sample is only a guess: keywords such as "not" may exclude it.
            if (value !== undefined && sends?.(value.value) && isClosed?.(value.value))
              expect(accepts?.(value.value), JSON.stringify(value)).toBe(true)
          }
        },
      ),
      { numRuns: Number(process.env.FC_RUNS ?? 2_000) },
    )
    // A proof that finds a break in everything would pass as well.
    expect(counts.proved).toBeGreaterThan(300)
    expect(counts.refuted).toBeGreaterThan(300)
  }, 60_000)

  it('finds no break between a schema and itself', () => {
    fc.assert(
      fc.property(schemas, (schema) => {
        expect(findBreaks(schema, schema).filter(({ isUnclear }) => !isUnclear)).toEqual([])
      }),
    )
  })

  it('ends for schemas that are made to keep it busy', () => {
    const wide = (n: number): Schema => ({
      anyOf: Array.from({ length: n }, (_, i) => ({ type: 'object', properties: { [`p${i}`]: { $ref: '#' } } })),
    })
    // Several schemas list the same value.
    const repeated = {
      type: 'object',
      properties: { a: { oneOf: [{ const: false }, { enum: [null, true] }, { type: 'boolean' }] } },
      required: ['a', 'b'],
    }
    expect(findBreaks(repeated, { oneOf: [{ type: 'string' }, { ...repeated, required: ['c'] }] })).not.toEqual([])
    for (const schema of [
      wide(30),
      { allOf: [wide(20), wide(20), wide(20)] },
      { anyOf: [{ $ref: '#' }, { $ref: '#' }] },
    ]) {
      expect(findBreaks(schema, schema)).toEqual([])
      expect(findBreaks(schema, { type: 'object', required: ['x'] })).not.toEqual([])
    }
  })
})

// One for all: an instance takes longer to make than a validator.
const ajv = new Ajv2019({ strict: false, validateFormats: false, validateSchema: false, addUsedSchema: false })

function validator(schema: Schema) {
  return ajv.compile(schema)
}

/** The same schema without undeclared properties, as the proof assumes of a writer. */
function closed(schema: Schema): Schema {
  if (typeof schema === 'boolean') return schema
  return { ...Object(closedInside(schema)), unevaluatedProperties: false }
}

/** Closes the inner values of a schema. Its branches apply to the same value and stay open: the whole is closed. */
function closedInside(schema: Schema): Schema {
  if (typeof schema === 'boolean') return schema
  const one = (value: unknown, by: typeof closed) => (value === undefined ? value : by(value as Schema))
  const list = (value: unknown, by: typeof closed) => (Array.isArray(value) ? value.map(by) : value)
  const map = (value: unknown) =>
    value === undefined
      ? value
      : Object.fromEntries(Object.entries(Object(value)).map(([key, inner]) => [key, closed(inner as Schema)]))
  const { properties, patternProperties, additionalProperties, items, additionalItems, anyOf, oneOf, allOf, ...rest } =
    schema
  const parts = {
    properties: map(properties),
    patternProperties: map(patternProperties),
    additionalProperties: one(additionalProperties, closed),
    items: Array.isArray(items) ? list(items, closed) : one(items, closed),
    additionalItems: one(additionalItems, closed),
    anyOf: list(anyOf, closedInside),
    oneOf: list(oneOf, closedInside),
    allOf: list(allOf, closedInside),
  }
  return { ...rest, ...Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined)) }
}
