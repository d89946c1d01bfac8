import { isSubjectFilter, matchesFilter } from '../../../sdk/wire/subject.ts'

/** Changes a subject. Undefined if the subject does not match. */
export type Transform = (subject: string) => string | undefined

type Part = (tokens: readonly string[]) => string

const FUNCTION = /^(?:\$(\d+)|\{\{ *(wildcard|partition) *\(([\d, ]+)\) *\}\})$/i

/**
 * Returns the transform from subjects of `src` to `dest`, with the functions `wildcard` and `partition`. Undefined if it
 * is not valid, or has another function.
 * Source: ADR-30, and nats-server's subject_transform.go
 */
export function createTransform(src: string, dest: string): Transform | undefined {
  const tokens = src.split('.')
  const wildcards = tokens.flatMap((token, index) => (token === '*' ? [index] : []))
  const isOpen = tokens.at(-1) === '>'
  if (!isSubjectFilter(src) || isOpen !== (dest.split('.').at(-1) === '>')) return undefined
  const parts = dest
    .split('.')
    .map((token) => (token === '>' ? restAfter(tokens.length - 1) : toPart(token, wildcards)))
  if (parts.some((part) => part === undefined)) return undefined
  return (subject) => {
    if (!matchesFilter(src, subject)) return undefined
    const given = subject.split('.')
    return parts.map((part) => part?.(given)).join('.')
  }
}

function restAfter(count: number): Part {
  return (tokens) => tokens.slice(count).join('.')
}

/** @param wildcards index of the token of each wildcard */
function toPart(token: string, wildcards: readonly number[]): Part | undefined {
  const found = FUNCTION.exec(token)
  if (!found) return /[*>{}$]/.test(token) || token === '' ? undefined : () => token
  const [, short, name = 'wildcard', list = short ?? ''] = found
  const numbers = list.split(',').map(Number)
  const isPartition = name.toLowerCase() === 'partition'
  const count = isPartition ? (numbers.shift() ?? 0) : 1
  const indexes = numbers.map((number) => wildcards[number - 1])
  if (count < 1 || indexes.length === 0 || (!isPartition && indexes.length > 1)) return undefined
  if (indexes.includes(undefined)) return undefined
  const pick = (tokens: readonly string[]) => indexes.map((index) => tokens[index ?? 0]).join('')
  return isPartition ? (tokens) => String(fnv1a(pick(tokens)) % count) : pick
}

const encoder = new TextEncoder()

/** The hash of `partition`: FNV-1a with 32 bits. Source: http://www.isthe.com/chongo/tech/comp/fnv/ */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (const byte of encoder.encode(text)) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}
