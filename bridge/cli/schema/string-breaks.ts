import { type Alternative, numberOr } from './alternatives.ts'
import type { Break, Check } from './find-breaks.ts'

/** Lengths, patterns and formats. */
export function stringBreaks({ writer, reader, path }: Check): Break[] {
  const found: Break[] = []
  const say = (reason: string, isUnclear = false) => found.push({ path, reason, isUnclear })
  const { pattern, format, contentEncoding } = reader
  const minLength = numberOr(reader.minLength, 0)
  const maxLength = numberOr(reader.maxLength, Number.POSITIVE_INFINITY)
  const [shortest, longest] = lengthsOf(writer)
  if (shortest < minLength) say(`may have ${shortest} characters, and at least ${minLength} are accepted`)
  if (longest > maxLength)
    say(
      `may have ${longest === Number.POSITIVE_INFINITY ? 'any number of' : longest} characters, and at most ${maxLength} are accepted`,
    )
  if (typeof pattern === 'string') {
    const verdict = matches(writer, pattern)
    if (verdict === false)
      say(`may be ${JSON.stringify(writer.only?.value)}, which the pattern ${pattern} does not match`)
    if (verdict === undefined) say(`the pattern ${pattern} is not one of the sender's`, true)
  }
  for (const [name, value] of Object.entries({ format, contentEncoding })) {
    if (value === undefined || writer.parts.some((part) => part[name] === value)) continue
    const isText = !writer.only && writer.parts.every((part) => part.format === undefined && part.pattern === undefined)
    say(
      isText
        ? `may be any text, and only the ${name} ${value} is accepted`
        : `the ${name} ${value} is not the sender's`,
      !isText,
    )
  }
  return found
}

function lengthsOf({ parts, only }: Alternative): readonly [shortest: number, longest: number] {
  // In code points: RFC 8259 characters, as JSON Schema counts them.
  if (typeof only?.value === 'string') {
    const { length } = [...only.value]
    return [length, length]
  }
  const numbers = (key: string) => parts.flatMap((part) => (typeof part[key] === 'number' ? [part[key]] : []))
  return [Math.max(0, ...numbers('minLength')), Math.min(Number.POSITIVE_INFINITY, ...numbers('maxLength'))]
}

/** Undefined if it can't be known: whether one pattern implies another is not looked at. */
function matches({ parts, only }: Alternative, pattern: string): boolean | undefined {
  if (parts.some((part) => part.pattern === pattern)) return true
  if (typeof only?.value !== 'string') return undefined
  try {
    return new RegExp(pattern, 'u').test(only.value)
  } catch {
    return undefined
  }
}
