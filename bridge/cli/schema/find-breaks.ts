/**
 * Whether every value that a writer sends is accepted by a reader. It is a proof: an empty result means that every value is
 * accepted. Differences that can't be decided are reported as unclear. They are never skipped silently.
 */
import { membersOf } from '../../../sdk/kit/kinds.ts'
import { type Alternative, alternativesOf, asSchema, type Keywords, resolveRef, type Schema } from './alternatives.ts'
import { arrayBreaks } from './array-breaks.ts'
import { jsonEqual } from './json-equal.ts'
import { numberBreaks } from './number-breaks.ts'
import { objectBreaks } from './object-breaks.ts'
import { stringBreaks } from './string-breaks.ts'

/** A value that may be sent and is not accepted, or may not be. */
export interface Break {
  /** The path in the data, such as `items[].price`; empty for the data itself. */
  readonly path: string
  readonly reason: string
  /** Whether it is only that the opposite can't be proved. */
  readonly isUnclear: boolean
}

/** Input of the checks of one type. */
export interface Check {
  readonly writer: Alternative
  readonly reader: Keywords
  readonly path: string
  /** Breaks of a part: of a property, or of an item. */
  part(writer: readonly Schema[], reader: Schema, path: string): Break[]
}

/** Keywords without an effect on accepted values. */
const ANNOTATIONS = new Set([
  ...['$schema', '$id', 'id', '$anchor', '$comment', '$defs', 'definitions', '$vocabulary'],
  ...['title', 'description', 'default', 'examples', 'deprecated', 'readOnly', 'writeOnly', 'contentMediaType'],
])

/** Keywords that the checks below know. */
const KNOWN = new Set([
  ...['$ref', 'allOf', 'anyOf', 'oneOf', 'not', 'if', 'then', 'else', 'type', 'enum', 'const'],
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
  ...['minLength', 'maxLength', 'pattern', 'format', 'contentEncoding'],
  ...['items', 'prefixItems', 'additionalItems', 'minItems', 'maxItems', 'uniqueItems', 'contains', 'minContains'],
  ...['properties', 'required', 'additionalProperties', 'patternProperties', 'propertyNames'],
  ...['minProperties', 'maxProperties', 'dependentRequired'],
])

/** Steps after which the rest is unclear: schemas can be made so that a proof takes for ever. */
const MAX_STEPS = 10_000
/** References and alternatives inside of each other. */
const MAX_DEPTH = 200

/** Finds all breaks. An empty result means that every value is accepted. */
export function findBreaks(writer: Schema, reader: Schema): Break[] {
  return new Proof(writer, reader).breaks([writer], reader, '')
}

export function broken(path: string, reason: string): Break[] {
  return [{ path, reason, isUnclear: false }]
}

export function unclear(path: string, reason: string): Break[] {
  return [{ path, reason, isUnclear: true }]
}

class Proof {
  readonly #writerRoot: Schema
  readonly #readerRoot: Schema
  /** Pairs that are being proved: a pair inside of itself holds if the rest does. */
  readonly #pending: Array<readonly [writer: readonly Schema[], reader: Schema]> = []
  #hasSameRoot: boolean | undefined
  #steps = 0
  #depth = 0

  constructor(writerRoot: Schema, readerRoot: Schema) {
    this.#writerRoot = writerRoot
    this.#readerRoot = readerRoot
  }

  breaks(writer: readonly Schema[], reader: Schema, path: string): Break[] {
    if (reader === true || (typeof reader === 'object' && isEmpty(reader))) return []
    if (++this.#steps > MAX_STEPS) return unclear(path, 'the schemas are too large to compare')
    // Every value that is sent conforms to each of the writer's schemas.
    if (writer.some((one) => this.#isSame(one, reader))) return []
    if (this.#pending.some(([one, other]) => other === reader && sameList(one, writer))) return []
    this.#pending.push([writer, reader])
    try {
      const all = alternativesOf(writer, this.#writerRoot)
      this.#steps += all.length
      return distinct(all.flatMap((alternative) => this.#alternative(alternative, reader, path)))
    } finally {
      this.#pending.pop()
    }
  }

  /** References of both must also lead to the same schemas. */
  #isSame(writer: Schema, reader: Schema): boolean {
    if (!jsonEqual(writer, reader)) return false
    this.#hasSameRoot ??= jsonEqual(this.#writerRoot, this.#readerRoot)
    return this.#hasSameRoot || !JSON.stringify(writer).includes('"$ref"')
  }

  #alternative(writer: Alternative, reader: Schema, path: string): Break[] {
    if (++this.#steps > MAX_STEPS) return unclear(path, 'the schemas are too large to compare')
    if (reader === true) return []
    if (reader === false) return broken(path, 'no value is accepted here')
    const check: Check = {
      writer,
      reader,
      path,
      part: (parts, other, at) => this.breaks(parts, other, at),
    }
    return [
      ...this.#references(writer, reader, path),
      ...valueBreaks(check),
      ...this.#combinations(writer, reader, path),
      ...unknownBreaks(check),
      ...(isTypeAccepted(check) ? partBreaks(check) : []),
    ]
  }

  #references(writer: Alternative, { $ref, allOf }: Keywords, path: string): Break[] {
    const all = [...(typeof $ref === 'string' ? [resolveRef($ref, this.#readerRoot)] : []), ...asSchemas(allOf)]
    return all.flatMap((schema) => this.#guarded(writer, schema, path))
  }

  /** A reference that only leads to itself must not be followed for ever. */
  #guarded(writer: Alternative, reader: Schema, path: string): Break[] {
    if (this.#depth > MAX_DEPTH) return unclear(path, 'the schemas are too deep to compare')
    this.#depth++
    try {
      return this.#alternative(writer, reader, path)
    } finally {
      this.#depth--
    }
  }

  #combinations(writer: Alternative, reader: Keywords, path: string): Break[] {
    const found: Break[] = []
    if (Array.isArray(reader.anyOf)) found.push(...this.#anyOf(writer, asSchemas(reader.anyOf), path))
    if (Array.isArray(reader.oneOf)) found.push(...this.#oneOf(writer, asSchemas(reader.oneOf), path))
    if (reader.not !== undefined && !this.#isDisjoint(writer, asSchema(reader.not)))
      found.push(...unclear(path, 'some of it may be what "not" excludes'))
    if (reader.if !== undefined) {
      // Stricter than necessary: both branches must accept the value.
      for (const branch of [reader.then, reader.else])
        if (branch !== undefined) found.push(...this.#guarded(writer, asSchema(branch), path))
    }
    return found
  }

  #anyOf(writer: Alternative, branches: readonly Schema[], path: string): Break[] {
    let best: { readonly found: Break[]; readonly score: number } | undefined
    for (const branch of branches) {
      const found = this.#guarded(writer, branch, path)
      if (found.length === 0) return []
      // The branch that was meant is one that may accept it, with the fewest breaks, deepest inside.
      const score = rank(found) + (this.#isDisjoint(writer, branch) ? 1_000 : 0)
      if (!best || score < best.score) best = { found, score }
    }
    const parts = splitByProperty(writer)
    if (parts) return parts.flatMap((part) => this.#guarded(part, { anyOf: branches }, path))
    return best?.found ?? broken(path, 'no value is accepted here')
  }

  #oneOf(writer: Alternative, branches: readonly Schema[], path: string): Break[] {
    const found = this.#anyOf(writer, branches, path)
    if (found.length > 0) return found
    const parts = splitByProperty(writer) ?? [writer]
    const isOne = parts.every((part) => branches.filter((branch) => !this.#isDisjoint(part, branch)).length === 1)
    return isOne ? [] : unclear(path, 'more than one alternative of "oneOf" may accept it')
  }

  /** Whether no value of the alternative is accepted by the schema. False also where that can't be proved. */
  #isDisjoint(writer: Alternative, reader: Schema): boolean {
    return alternativesOf([reader], this.#readerRoot).every((other) => areDisjoint(writer, other))
  }
}

/** Whether a schema has only annotations. */
function isEmpty(schema: Keywords): boolean {
  return Object.keys(schema).every((key) => ANNOTATIONS.has(key))
}

function asSchemas(value: unknown): Schema[] {
  return Array.isArray(value) ? value : []
}

function sameList(a: readonly Schema[], b: readonly Schema[]): boolean {
  return a.length === b.length && a.every((one, at) => one === b[at])
}

function rank(breaks: readonly Break[]): number {
  const shallowest = Math.min(...breaks.map(({ path }) => path.length))
  return breaks.length - shallowest / 1_000
}

function distinct(breaks: readonly Break[]): Break[] {
  return breaks.filter(
    (one, at) => breaks.findIndex((other) => other.path === one.path && other.reason === one.reason) === at,
  )
}

function isTypeAccepted({ writer, reader }: Check): boolean {
  if (reader.type === undefined) return true
  const accepted = [reader.type].flat()
  return accepted.includes(writer.type) || (writer.type === 'integer' && accepted.includes('number'))
}

function valueBreaks(check: Check): Break[] {
  const { writer, reader, path } = check
  const { only } = writer
  if (!isTypeAccepted(check))
    return broken(path, `may be ${article(writer.type)}, and only ${[reader.type].flat().join(' or ')} is accepted`)
  const lists = ['const' in reader ? [reader.const] : undefined, Array.isArray(reader.enum) ? reader.enum : undefined]
  return lists.flatMap((list) => {
    if (!list) return []
    if (only && list.some((value) => jsonEqual(value, only.value))) return []
    const accepted = list.map((value) => JSON.stringify(value)).join(', ')
    const given = only ? JSON.stringify(only.value) : `any ${writer.type}`
    return broken(path, `may be ${given}, and only ${accepted} ${list.length === 1 ? 'is' : 'are'} accepted`)
  })
}

function article(type: string): string {
  return type === 'null' ? 'null' : `${/^[aeio]/.test(type) ? 'an' : 'a'} ${type}`
}

function partBreaks(check: Check): Break[] {
  const { type } = check.writer
  if (type === 'object') return objectBreaks(check)
  if (type === 'array') return arrayBreaks(check)
  if (type === 'string') return stringBreaks(check)
  if (type === 'number' || type === 'integer') return numberBreaks(check)
  return []
}

/** Keywords that nothing here knows hold only where the writer's schema has the same. */
function unknownBreaks({ writer, reader, path }: Check): Break[] {
  return Object.keys(reader).flatMap((key) => {
    if (ANNOTATIONS.has(key) || (KNOWN.has(key) && isReadable(key, reader[key]))) return []
    if (writer.parts.some((part) => jsonEqual(part[key], reader[key]))) return []
    return unclear(path, `"${key}" can't be compared`)
  })
}

/** Whether a count or pattern has the type that the checks read. Others would be skipped silently. */
function isReadable(key: string, value: unknown): boolean {
  if (/^(min|max)[A-Z]/.test(key)) return typeof value === 'number'
  return key !== 'pattern' || typeof value === 'string'
}

function areDisjoint(a: Alternative, b: Alternative): boolean {
  const isNumber = (type: string) => type === 'number' || type === 'integer'
  if (a.type !== b.type && !(isNumber(a.type) && isNumber(b.type))) return true
  if (a.only && b.only) return !jsonEqual(a.only.value, b.only.value)
  if (a.type !== 'object') return false
  // A property that both require, and whose values have none in common: the mark of a union.
  const names = requiredOf(a).filter((name) => requiredOf(b).includes(name))
  return names.some((name) => {
    const [left, right] = [propertyValues(a, name), propertyValues(b, name)]
    return left && right && !left.some((one) => right.some((other) => jsonEqual(one, other)))
  })
}

function requiredOf({ parts }: Alternative): string[] {
  return parts.flatMap(({ required }) => (Array.isArray(required) ? required : []))
}

/** The values that a property may have, if they are listed. */
function propertyValues({ parts, root }: Alternative, name: string): unknown[] | undefined {
  const schemas = parts.flatMap(({ properties }) => {
    const schema = membersOf(properties)[name]
    return schema === undefined ? [] : [asSchema(schema)]
  })
  if (schemas.length === 0) return undefined
  const all = alternativesOf(schemas, root)
  return all.every(({ only }) => only) ? all.map(({ only }) => only?.value) : undefined
}

/** Most values of a property that are looked at one by one. */
const MAX_SPLIT = 32

/** An object as several, one for each value of a required property with few values; undefined if it has none. */
function splitByProperty(writer: Alternative): Alternative[] | undefined {
  if (writer.type !== 'object' || writer.only) return undefined
  for (const name of requiredOf(writer)) {
    // Several schemas can list the same value. Without this, a part of one value would be split again, for ever.
    const values = propertyValues(writer, name)?.filter(
      (one, at, all) => all.findIndex((other) => jsonEqual(one, other)) === at,
    )
    if (!values || values.length < 2 || values.length > MAX_SPLIT) continue
    return values.map((value) => ({
      ...writer,
      parts: [...writer.parts, { properties: { [name]: { const: value } } }],
    }))
  }
  return undefined
}
