/** Readers of settings: each takes text (of a flag or the environment) or a value (of a configuration file). */
import { messageOf } from '../../../sdk/kit/error-text.ts'
import { membersOf } from '../../../sdk/kit/kinds.ts'
import { isSubjectFilter } from '../../../sdk/wire/subject.ts'
import type { Limits } from '../../auth/limits.ts'
import { defaultLimits, readLimits } from '../../auth/limits.ts'
import type { Permissions } from '../../auth/permissions.ts'
import { isInspectorPath } from '../../hosts/inspector-page.ts'
import { readTimeouts, type Timeouts } from '../../hosts/timeouts.ts'
import { checkHostNames, type HostNames } from '../../http/host-names.ts'
import { checkOrigins, type Origins } from '../../http/origins.ts'
import { checkDeadLetterFilters } from '../../hub/dead-letter-counts.ts'

/** A value that is not allowed. The message is the end of a sentence that begins with the setting's name. */
export class BadValue extends Error {}

/** Reads one setting. @throws BadValue */
export type Reader<T> = (given: unknown) => T

function show(given: unknown): string {
  return (JSON.stringify(given) ?? String(given)).slice(0, 80)
}

/** A whole number from `least` to `most`. */
export function wholeNumber(least: number, most: number, unit = ''): Reader<number> {
  return (given) => {
    const value = typeof given === 'string' && /^-?\d+$/.test(given.trim()) ? Number(given) : given
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) return value
    throw new BadValue(`is ${show(given)}: it must be a whole number${unit} from ${least} to ${most}`)
  }
}

/** Text that is not empty. */
export const text: Reader<string> = (given) => {
  if (typeof given === 'string' && given.trim() !== '') return given.trim()
  throw new BadValue(`is ${show(given)}: it must be text`)
}

/** One of these words. */
export function choice<const Word extends string>(...words: readonly Word[]): Reader<Word> {
  return (given) => {
    const found = words.find((word) => word === given)
    if (found !== undefined) return found
    throw new BadValue(`is ${show(given)}: it must be ${words.join(' or ')}`)
  }
}

/** `true` or `false`. */
export const yesOrNo: Reader<boolean> = (given) => {
  if (given === true || given === 'true') return true
  if (given === false || given === 'false') return false
  throw new BadValue(`is ${show(given)}: it must be true or false`)
}

/** Words separated by commas or blanks, or a list of them. */
export const words: Reader<readonly string[]> = (given) => {
  const list = typeof given === 'string' ? given.split(/[\s,]+/).filter((word) => word !== '') : given
  if (Array.isArray(list) && list.length > 0 && list.every((word) => typeof word === 'string')) return list
  throw new BadValue(`is ${show(given)}: it must be a list of words, separated by commas`)
}

/** Filters of dead letters, separated by commas or blanks. */
export const subjectFilters: Reader<readonly string[]> = (given) => {
  const list = words(given)
  check(given, () => checkDeadLetterFilters(list, 'it'))
  return list
}

/** A secret, or several on lines of their own while one is rotated. It is never shown. */
export const secrets: Reader<string | readonly string[] | Uint8Array> = (given) => {
  if (given instanceof Uint8Array) return given
  const list = (typeof given === 'string' ? given.split(/\r?\n/) : Array.isArray(given) ? given : [])
    .filter((one): one is string => typeof one === 'string')
    .map((one) => one.trim())
    .filter((one) => one !== '')
  const [first, ...more] = list
  if (first !== undefined) return more.length > 0 ? list : first
  throw new BadValue('is empty: it must be a secret of at least 32 bytes (try: openssl rand -base64 32)')
}

/** The key of the admin or monitoring routes. It is never shown. */
export const routeKey: Reader<{ readonly key: string }> = (given) => {
  const key = typeof given === 'object' && given !== null ? membersOf(given).key : given
  if (typeof key === 'string' && /^[\w.~+/-]{32,}=*$/.test(key.trim())) return { key: key.trim() }
  throw new BadValue('is not a key: it must have at least 32 letters, digits and -._~+/ (try: openssl rand -hex 24)')
}

/** The inspector: a path, `on` or `off`. */
export const inspector: Reader<boolean | { readonly path: string }> = (given) => {
  const path = typeof given === 'object' && given !== null ? membersOf(given).path : given
  if (path === true || path === 'on' || path === 'true' || path === '1' || path === undefined) return true
  if (path === false || path === 'off' || path === 'false' || path === '0') return false
  if (typeof path === 'string' && isInspectorPath(path)) return { path }
  throw new BadValue(`is ${show(given)}: it must be on, off or a path such as /inspector`)
}

/** Public keys: PEM, one or several after each other, or a JWK as JSON. */
export const publicKeys: Reader<unknown> = (given) => {
  if (typeof given !== 'string') return given
  const blocks = given.match(/-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/g) ?? []
  if (blocks.length > 0) return blocks.length > 1 ? blocks : blocks[0]
  const jwk = parseJson(given)
  if (typeof jwk === 'object' && jwk !== null && 'kty' in jwk) return jwk
  throw new BadValue('is not a public key: it must be PEM ("-----BEGIN PUBLIC KEY-----") or a JWK')
}

/** Origins of pages, separated by commas or blanks; `*` for all. */
export const origins: Reader<Origins> = (given) => {
  const listed = given === '*' ? ['*'] : words(given)
  const value = listed.includes('*') ? '*' : listed
  check(given, () => checkOrigins(value, 'it'))
  return value
}

/** Host names of the bridge, separated by commas or blanks; `*` for all. */
export const hostNames: Reader<HostNames> = (given) => {
  const listed = given === '*' ? ['*'] : words(given)
  const value = listed.includes('*') ? '*' : listed
  check(given, () => checkHostNames(value))
  return value
}

const NOTHING = { allow: [], deny: [] }
const EVERYTHING = { allow: ['>'], deny: [] }

/** Permissions of clients without credentials: `all`, or JSON. */
export const permissions: Reader<Permissions> = (given) => {
  if (given === 'all') return { publish: EVERYTHING, subscribe: EVERYTHING }
  const value = typeof given === 'string' ? parseJson(given) : given
  const problem = permissionsProblem(value)
  if (problem !== undefined)
    throw new BadValue(
      `${problem}: it must be "all" or such as {"publish":{"allow":["chat.*"]},"subscribe":{"allow":["chat.>"]}}`,
    )
  const { publish, subscribe, ...more } = value as Partial<Permissions>
  return { ...more, publish: { ...NOTHING, ...publish }, subscribe: { ...NOTHING, ...subscribe } }
}

function permissionsProblem(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return `is ${show(value)}`
  for (const [name, rules] of Object.entries(value)) {
    if (name === 'reply') continue
    if (name !== 'publish' && name !== 'subscribe') return `has ${show(name)}`
    for (const [list, filters] of Object.entries(membersOf(rules))) {
      if (list !== 'allow' && list !== 'deny') return `has ${show(`${name}.${list}`)}`
      const bad = Array.isArray(filters) ? filters.find((one) => !isSubjectFilter(String(one))) : filters
      if (bad !== undefined) return `has ${show(bad)} in ${name}.${list}`
    }
  }
  return undefined
}

/** Limits by name: `maxPayload=65536 publishRate.messages=100`, or an object. */
export const limits: Reader<Partial<Limits>> = (given) => {
  const value: Partial<Limits> = numbersByName(given)
  check(given, () => readLimits(value))
  return value
}

/** Timeouts by name: `keepAlive=75000 headers=20000`, or an object. */
export const timeouts: Reader<Timeouts> = (given) => {
  const value: Timeouts = numbersByName(given)
  check(given, () => readTimeouts(value))
  return value
}

/** @throws BadValue with the problem that `run` throws */
function check(given: unknown, run: () => void): void {
  try {
    run()
  } catch (error) {
    throw new BadValue(`is ${show(given)}: ${messageOf(error).replace(/\.$/, '')}`)
  }
}

function numbersByName(given: unknown): object {
  const value = typeof given === 'string' ? parseNumbers(given) : given
  if (typeof value === 'object' && value !== null) return value
  throw new BadValue(`is ${show(given)}: it must be name=value`)
}

function parseNumbers(given: string): object {
  const found: Record<string, unknown> = {}
  for (const pair of given.split(/[\s,]+/).filter((part) => part !== '')) {
    const [, name = '', part, digits] = /^(\w+)(?:\.(\w+))?=(\d+)$/.exec(pair) ?? []
    if (name === '') throw new BadValue(`has ${show(pair)}: write name=number, such as maxPayload=65536`)
    const model = membersOf(defaultLimits)[name]
    found[name] =
      part === undefined ? Number(digits) : { ...Object(model), ...Object(found[name]), [part]: Number(digits) }
  }
  return found
}

function parseJson(given: string): unknown {
  try {
    return JSON.parse(given)
  } catch {
    return undefined
  }
}
