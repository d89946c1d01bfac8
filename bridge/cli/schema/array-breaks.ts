import { type Alternative, asSchema, type Keywords, numberOr, type Schema } from './alternatives.ts'
import type { Break, Check } from './find-breaks.ts'
import { jsonEqual } from './json-equal.ts'

/** Items, their number, and that they differ. */
export function arrayBreaks({ writer, reader, path, part }: Check): Break[] {
  const found: Break[] = []
  const say = (reason: string, isUnclear = false) => found.push({ path, reason, isUnclear })
  const [fewest, most] = countsOf(writer)
  const minItems = numberOr(reader.minItems, 0)
  const maxItems = numberOr(reader.maxItems, Number.POSITIVE_INFINITY)
  if (fewest < minItems) say(`may have ${fewest} items, and at least ${minItems} are accepted`)
  if (most > maxItems)
    say(
      `may have ${most === Number.POSITIVE_INFINITY ? 'any number of' : most} items, and at most ${maxItems} are accepted`,
    )
  const isUnique = writer.parts.some(({ uniqueItems }) => uniqueItems === true) || most <= 1
  if (reader.uniqueItems === true && !isUnique && !isUniqueValue(writer)) say('may have items that are the same')
  if (reader.contains !== undefined && !writer.parts.some(({ contains }) => jsonEqual(contains, reader.contains)))
    say('it may lack the item of "contains"', true)

  const wanted = readItems(reader)
  const given = writer.parts.map(readItems)
  const positions = Math.max(wanted.first.length, ...given.map(({ first }) => first.length))
  for (let at = 0; at < Math.min(positions, most); at++)
    found.push(
      ...part(
        given.map((items) => itemAt(items, at)),
        itemAt(wanted, at),
        `${path}[${at}]`,
      ),
    )
  if (most > positions)
    found.push(
      ...part(
        given.map(({ rest }) => rest),
        wanted.rest,
        `${path}[]`,
      ),
    )
  return found
}

interface Items {
  /** Schemas of the first positions. */
  readonly first: readonly Schema[]
  readonly rest: Schema
}

/** In the words of draft 07 (`items` as a list) and of 2020-12 (`prefixItems`). */
function readItems({ items, prefixItems, additionalItems }: Keywords): Items {
  if (Array.isArray(prefixItems)) return { first: prefixItems, rest: asSchema(items) }
  if (Array.isArray(items)) return { first: items, rest: asSchema(additionalItems) }
  return { first: [], rest: asSchema(items) }
}

function itemAt({ first, rest }: Items, at: number): Schema {
  return first[at] ?? rest
}

function countsOf({ parts }: Alternative): readonly [fewest: number, most: number] {
  const numbers = (key: string) => parts.flatMap((part) => (typeof part[key] === 'number' ? [part[key]] : []))
  // A tuple that takes no more.
  const closed = parts.map(readItems).flatMap(({ first, rest }) => (rest === false ? [first.length] : []))
  return [Math.max(0, ...numbers('minItems')), Math.min(Number.POSITIVE_INFINITY, ...numbers('maxItems'), ...closed)]
}

function isUniqueValue({ only }: Alternative): boolean {
  const items: unknown = only?.value
  return Array.isArray(items) && items.every((one, at) => items.findIndex((other) => jsonEqual(one, other)) === at)
}
