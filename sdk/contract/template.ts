import { SpanwireError } from '../wire/errors.ts'
import { isSubject, isSubjectFilter } from '../wire/subject.ts'

/** Subjects whose params are kept. */
const MAX_KNOWN = 1_000

type Values = Readonly<Record<string, string | undefined>>

// A word, `{param}` or `{rest...}`.
const TOKEN = /^(?:\{([^{}*>. ]+)(\.\.\.)?\}|[^{}*>]+)$/
// A dot separates tokens, unless it is one of the three in `{rest...}`.
const SEPARATOR = /\.(?!\.{0,2}\})/

// NATS treats such a token as a word.
const PART_WILDCARD = /[^.][*>]|[*>][^.]/

/** A parsed subject template, such as `orders.{orderId}.created` or `logs.{path...}`. */
export class SubjectTemplate {
  readonly #template: string
  /** Tokens: their text, the name of the parameter, and whether it matches the rest of the subject. */
  readonly #tokens: ReadonlyArray<readonly [text: string, name: string | undefined, rest: unknown]>
  /** Params of subjects: their events share them. */
  readonly #params = new Map<string, Record<string, string>>()

  /** @throws SpanwireError `invalid-subject` */
  constructor(template: string) {
    this.#template = template
    const names = new Set<string>()
    this.#tokens = template.split(SEPARATOR).map((text, index, { length }) => {
      const [token, name, rest] = TOKEN.exec(text) ?? []
      if (name ? names.has(name) || (rest && index < length - 1) : !token || !isSubject(token))
        throw new SpanwireError(
          'invalid-subject',
          `${JSON.stringify(template)} is not a valid template: use {param}, {rest...}.`,
        )
      if (name) names.add(name)
      return [text, name, rest]
    })
  }

  /**
   * Returns the subject to publish to.
   * @throws SpanwireError `invalid-params`
   */
  subject(params: Values): string {
    return this.#fill(params, isSubject)
  }

  /**
   * Returns the filter to subscribe to. Parameters that are left out match every value.
   * @throws SpanwireError `invalid-params`
   */
  filter(params: Values): string {
    return this.#fill(params, isSubjectFilter, '*')
  }

  /** Returns the parameters of a subject that matches the filter. */
  params(subject: string): Record<string, string> {
    const known = this.#params.get(subject)
    if (known) return known
    const params: Record<string, string> = {}
    if (this.#params.size > MAX_KNOWN) this.#params.clear()
    this.#params.set(subject, params)
    const values = subject.split('.')
    this.#tokens.forEach(([, name, rest], index) => {
      if (name) params[name] = rest ? values.slice(index).join('.') : (values[index] as string)
    })
    return Object.freeze(params)
  }

  #fill(params: Values, isValid: (value: string) => boolean, otherwise?: string): string {
    const tokens = this.#tokens.map(([text, name, rest]) => {
      if (!name) return text
      const value = params[name] ?? otherwise
      if (rest && value && value === otherwise) return '>'
      if (typeof value !== 'string' || !isValid(value) || PART_WILDCARD.test(value) || (!rest && /[.>]/.test(value)))
        throw new SpanwireError(
          'invalid-params',
          `${JSON.stringify(value)} is not a valid {${name}} of ${this.#template}: use one token without wildcards.`,
        )
      return value
    })
    return tokens.join('.')
  }
}
