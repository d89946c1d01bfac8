/** A member of an object, by its place in a JSON text. */
export interface JsonMember {
  readonly name: string
  /** Positions of the value in the text. */
  readonly start: number
  readonly end: number
}

/**
 * Finds the members of an object without changing their text: parsing and writing a value again would change large numbers,
 * `1e400`, white space and names that come twice. Duplicate members are listed as well, in order.
 *
 * Libraries that keep the text (momoa, jsonc-parser) build a tree of the whole value: 6 to 12 times the cost of JSON.parse,
 * and a stack overflow for 10,000 brackets.
 * @param text valid JSON: parse it first
 * @param at where the object begins, or the white space before it. Of any other value the members are none.
 */
export function readMembers(text: string, at = 0): JsonMember[] {
  const members: JsonMember[] = []
  let place = skipBlanks(text, at)
  if (text[place] !== '{') return members
  place = skipBlanks(text, place + 1)
  while (text[place] === '"') {
    const nameEnd = skipString(text, place)
    const name = JSON.parse(text.slice(place, nameEnd)) as string
    const start = skipBlanks(text, skipBlanks(text, nameEnd) + 1)
    const end = skipValue(text, start)
    members.push({ name, start, end })
    place = skipBlanks(text, end)
    if (text[place] === ',') place = skipBlanks(text, place + 1)
  }
  return members
}

const BLANKS = /[ \t\r\n]*/y
/** Beginning of a string, object or list, or end of an object or list. */
const BRACKETS = /["{}[\]]/g
const SCALAR = /[^ \t\r\n,\]}]*/y

function skip(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  pattern.test(text)
  return pattern.lastIndex
}

function skipBlanks(text: string, at: number): number {
  return skip(BLANKS, text, at)
}

/** @param at position of the first quote */
function skipString(text: string, at: number): number {
  let end = text.indexOf('"', at + 1)
  while (isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end + 1
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0
  while (text[at - 1 - backslashes] === '\\') backslashes++
  return backslashes % 2 === 1
}

function skipValue(text: string, at: number): number {
  if (text[at] === '"') return skipString(text, at)
  if (text[at] !== '{' && text[at] !== '[') return skip(SCALAR, text, at)
  let place = at
  for (let depth = 0; ; ) {
    const end = skip(BRACKETS, text, place)
    const bracket = text[end - 1]
    if (bracket === '"') {
      place = skipString(text, end - 1)
      continue
    }
    depth += bracket === '{' || bracket === '[' ? 1 : -1
    place = end
    if (depth === 0) return place
  }
}
