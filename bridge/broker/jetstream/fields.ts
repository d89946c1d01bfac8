import { isSubject } from '../../../sdk/wire/subject.ts'
import { type ApiError, apiErrors } from './api-error.ts'

/** The JSON object of an API request. */
export type Fields = Readonly<Record<string, unknown>>

const decoder = new TextDecoder()

/** Parses the payload of a request. An empty one is an empty object. Throws {@link ApiError}. */
export function readFields(payload: Uint8Array): Fields {
  if (payload.length === 0) return {}
  let value: unknown
  try {
    value = JSON.parse(decoder.decode(payload))
  } catch {
    throw apiErrors.invalidJson('the request is not JSON')
  }
  return asFields(value)
}

export function asFields(value: unknown): Fields {
  if (value === undefined || value === null) return {}
  if (typeof value !== 'object' || Array.isArray(value)) throw apiErrors.invalidJson('an object was expected')
  return value as Fields
}

export function text(fields: Fields, name: string): string | undefined {
  const value = fields[name]
  if (value === undefined || value === null || value === '') return undefined
  if (typeof value !== 'string') throw apiErrors.invalidJson(`${name} must be a string`)
  return value
}

/** Zero if it is missing, as in Go. */
export function integer(fields: Fields, name: string): number {
  const value = fields[name] ?? 0
  if (typeof value !== 'number' || !Number.isFinite(value) || Math.trunc(value) !== value)
    throw apiErrors.invalidJson(`${name} must be a whole number`)
  return value
}

export function flag(fields: Fields, name: string): boolean {
  const value = fields[name] ?? false
  if (typeof value !== 'boolean') throw apiErrors.invalidJson(`${name} must be true or false`)
  return value
}

export function texts(fields: Fields, name: string): readonly string[] {
  const value = fields[name] ?? []
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
  throw apiErrors.invalidJson(`${name} must be a list of strings`)
}

export function oneOf<const T extends string>(fields: Fields, name: string, allowed: readonly T[]): T {
  const value = fields[name] ?? allowed[0]
  const found = allowed.find((one) => one === value)
  if (found === undefined) throw apiErrors.invalidJson(`can not unmarshal ${JSON.stringify(value)}`)
  return found
}

/** An object with text values, such as `metadata`. */
export function textMap(fields: Fields, name: string): Readonly<Record<string, string>> | undefined {
  if (fields[name] === undefined || fields[name] === null) return undefined
  const map = asFields(fields[name])
  return Object.fromEntries(Object.keys(map).map((key) => [key, text(map, key) ?? '']))
}

/**
 * Refuses fields that are not `known`, unless they are empty. An unsupported field must not be ignored silently.
 * Throws {@link ApiError}.
 */
export function refuseOthers(fields: Fields, known: ReadonlySet<string>, refuse: (why: string) => ApiError): void {
  for (const [name, value] of Object.entries(fields)) {
    if (known.has(name) || isEmpty(value)) continue
    throw refuse(`the embedded broker does not support ${name}: use nats-server for that`)
  }
}

function isEmpty(value: unknown): boolean {
  if (!value || value === 'none') return true
  return typeof value === 'object' && Object.values(value).every(isEmpty)
}

/** Whether it is a valid name of a stream or consumer, and so one token of a subject. */
export function isName(name: string): boolean {
  return isSubject(name) && !/[.*>/\\]/.test(name)
}
