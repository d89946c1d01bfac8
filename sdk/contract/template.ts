import { SpanwireError } from '../errors.ts'
import { isSubject, isSubjectFilter } from '../subject.ts'

type Values = Readonly<Record<string, string | undefined>>

const PARAM = /^\{([^{}*>.\s]+)(\.\.\.)?\}$/
// A dot parts tokens, unless it is one of the three in `{rest...}`.
const SEPARATOR = /\.(?!\.{0,2}\})/

/** A subject template such as `orders.{orderId}.created` or `logs.{path...}`, ready for use. */
export class SubjectTemplate {
  readonly #template: string
  /** A string is a token as it stands; a parameter has its name. */
  readonly #tokens: ReadonlyArray<string | { readonly name: string; readonly rest: boolean }>
  readonly hasParams: boolean

  /** @throws SpanwireError `invalid-subject` */
  constructor(template: string) {
    this.#template = template
    const names = new Set<string>()
    const parts = template.split(SEPARATOR)
    this.#tokens = parts.map((part, index) => {
      const match = PARAM.exec(part)
      const [, name, rest] = match ?? []
      const last = index === parts.length - 1
      if (name === undefined ? /[{}*>]/.test(part) || !isSubject(part) : names.has(name) || (rest && !last)) {
        throw new SpanwireError(
          'invalid-subject',
          `${JSON.stringify(template)} is no subject template: its tokens must be words, {param} or, as the last, {rest...}, and each name used once.`,
        )
      }
      if (name === undefined) return part
      names.add(name)
      return { name, rest: rest !== undefined }
    })
    this.hasParams = names.size > 0
  }

  /**
   * The subject to publish to.
   * @throws SpanwireError `invalid-params`
   */
  subject(params: Values): string {
    return this.#fill((name, rest) => {
      const value = params[name]
      if (typeof value !== 'string' || !isSubject(value) || (!rest && value.includes('.'))) this.#refuse(name, value)
      return value
    })
  }

  /**
   * The filter to subscribe to; parameters that are left out match everything.
   * @throws SpanwireError `invalid-params`
   */
  filter(params: Values): string {
    return this.#fill((name, rest) => {
      const value = params[name] ?? '*'
      if (rest && value === '*') return '>'
      if (typeof value !== 'string' || !isSubjectFilter(value) || (!rest && /[.>]/.test(value)))
        this.#refuse(name, value)
      return value
    })
  }

  /** The parameters of a subject that the filter brought. */
  params(subject: string): Record<string, string> {
    const params: Record<string, string> = {}
    const values = subject.split('.')
    this.#tokens.forEach((token, index) => {
      if (typeof token === 'object') {
        params[token.name] = token.rest ? values.slice(index).join('.') : (values[index] as string)
      }
    })
    return params
  }

  #fill(value: (name: string, rest: boolean) => string): string {
    return this.#tokens.map((token) => (typeof token === 'string' ? token : value(token.name, token.rest))).join('.')
  }

  #refuse(name: string, value: unknown): never {
    throw new SpanwireError(
      'invalid-params',
      `${JSON.stringify(value)} can't stand for {${name}} in ${this.#template}: give one token, not empty, without '.', '*', '>' or white space.`,
    )
  }
}
