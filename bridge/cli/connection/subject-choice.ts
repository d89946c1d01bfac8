/** Subjects, subject filters and events of a contract, as a user writes them on the command line. */

import type { ContractEvent, Events } from '../../../sdk/contract/contract.ts'
import { SubjectTemplate } from '../../../sdk/contract/template.ts'
import { SpanwireError } from '../../../sdk/wire/errors.ts'
import { isSubject, isSubjectFilter } from '../../../sdk/wire/subject.ts'
import { EventIndex } from '../../contract/event-index.ts'

/** Values of `--param name=value`. */
export type ParamValues = Readonly<Record<string, string>>

/**
 * Collects `--param name=value`, which may be repeated.
 * @throws SpanwireError `invalid-argument`
 */
export function collectParam(text: string, previous: ParamValues = {}): ParamValues {
  const [, name, value] = /^([^=]+)=(.+)$/s.exec(text) ?? []
  if (name !== undefined && value !== undefined) return { ...previous, [name]: value }
  throw new SpanwireError('invalid-argument', `--param is ${JSON.stringify(text)}: write name=value.`)
}

/**
 * The subject filter that is meant: params that are missing match everything.
 * @throws SpanwireError `invalid-subject`, `invalid-params`
 */
export function toFilter(given: string, params: ParamValues): string {
  if (isTemplate(given)) {
    checkParams(given, params)
    return new SubjectTemplate(given).filter(params)
  }
  checkParams('', params)
  if (isSubjectFilter(given)) return given
  throw invalid(given, 'a subject filter')
}

/**
 * The subject that is meant.
 * @throws SpanwireError `invalid-subject`, `invalid-params`
 */
export function toSubject(given: string, params: ParamValues): string {
  if (isTemplate(given)) {
    checkParams(given, params)
    return new SubjectTemplate(given).subject(params)
  }
  checkParams('', params)
  if (isSubject(given)) return given
  throw invalid(given, 'a subject to publish to')
}

/** The event of a contract whose subjects include this one: the most specific one. */
export function eventOf(contract: Events, subject: string): ContractEvent | undefined {
  return new EventIndex(contract).find(subject)
}

function isTemplate(given: string): boolean {
  return /\{[^{}]+\}/.test(given)
}

function checkParams(template: string, params: ParamValues): void {
  const unknown = Object.keys(params).find(
    (name) => !template.includes(`{${name}}`) && !template.includes(`{${name}...}`),
  )
  if (unknown === undefined) return
  const where = template === '' ? 'a plain subject has none' : `${template} has no such parameter`
  throw new SpanwireError('invalid-params', `--param names ${JSON.stringify(unknown)}, but ${where}.`)
}

function invalid(given: string, what: string): SpanwireError {
  return new SpanwireError(
    'invalid-subject',
    `${JSON.stringify(given)} is not ${what}: separate tokens by ".", and leave out blanks and empty tokens. Quote * and >.`,
  )
}
