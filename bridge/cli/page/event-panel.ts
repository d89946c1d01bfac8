import { SubjectTemplate } from '../../../sdk/contract/template.ts'
import { messageOf } from '../../../sdk/kit/error-text.ts'
import { isSubject, isSubjectFilter } from '../../../sdk/wire/subject.ts'
import { element, make } from '../../page-kit/element.ts'
import type { EventDescription } from '../contract/event-description.ts'
import { findBreaks } from '../schema/find-breaks.ts'
import { createDataForm, type DataForm } from './data-form.ts'
import { exampleOf } from './example.ts'

/** The chosen event: its parameters, its data, and the buttons. */
export class EventPanel {
  #event: EventDescription | undefined
  #form: DataForm | undefined
  readonly #params = new Map<string, HTMLInputElement>()
  readonly #json = element<HTMLTextAreaElement>('json')
  readonly #raw = element<HTMLInputElement>('raw')

  /** @param changed called when anything in the form changes */
  constructor(changed: () => void) {
    element('form').addEventListener('input', changed)
    this.#raw.addEventListener('change', () => {
      // The text begins with the values of the fields.
      if (this.#raw.checked) this.#json.value = this.#readFields()
      this.#showData()
      changed()
    })
  }

  get event(): EventDescription | undefined {
    return this.#event
  }

  show(event: EventDescription | undefined): void {
    this.#event = event
    this.#params.clear()
    element('event-title').textContent = event?.name ?? 'Any subject'
    const facts = event
      ? [
          ...(event.stream ? [`stream ${event.stream}`] : []),
          ...(event.reply ? ['request'] : []),
          ...(event.contentType === 'application/json' ? [] : [event.contentType]),
        ]
      : []
    element('facts').replaceChildren(...facts.map((fact) => make('li', '', fact)))
    const names = event
      ? event.params.map(({ name, isRest }) => [name, isRest ? 'tokens' : 'one token'] as const)
      : ([['subject', 'a filter to subscribe']] as const)
    element('params').replaceChildren(
      ...names.map(([name, hint]) => this.#paramField(name, hint, event ? '' : 'test.hello')),
    )
    element('params-part').hidden = names.length === 0
    element('params-part')
      .querySelector('legend')
      ?.replaceChildren(event ? 'Parameters' : 'Subject')
    const note = element('params-part').querySelector('.note')
    if (note)
      note.textContent = event
        ? 'To subscribe, leave one empty: it matches everything.'
        : '* matches one token, > all that follow.'
    this.#form = createDataForm(event?.schema)
    element('data').replaceChildren(...(this.#form?.elements ?? []))
    this.#json.value = JSON.stringify(event ? exampleOf(event.schema ?? {}) : { text: 'hello' }, null, 2)
    this.#raw.checked = false
    element('raw-switch').hidden = this.#form === undefined
    element('publish').textContent = event?.reply ? 'Request' : 'Publish'
    element('from-part').hidden = event !== undefined && event.stream === undefined
    this.#showData()
  }

  /** Parameters that are filled in. */
  get params(): Record<string, string> {
    return Object.fromEntries(
      [...this.#params].flatMap(([name, input]) => (input.value ? [[name, input.value.trim()]] : [])),
    )
  }

  /**
   * The subject to publish to.
   * @throws Error
   */
  get subject(): string {
    if (this.#event) return new SubjectTemplate(this.#event.name).subject(this.params)
    const { subject = '' } = this.params
    if (isSubject(subject)) return subject
    throw new Error(`"${subject}" can't be published to: write tokens with dots between them, without * and >.`)
  }

  /**
   * The filter to subscribe to.
   * @throws Error
   */
  get filter(): string {
    if (this.#event) return new SubjectTemplate(this.#event.name).filter(this.params)
    const { subject = '' } = this.params
    if (isSubjectFilter(subject)) return subject
    throw new Error(`"${subject}" is not a subject filter: write tokens with dots between them.`)
  }

  /** The data as it stands, for the code; an empty object while it is not JSON. */
  get data(): unknown {
    try {
      return JSON.parse(this.#isRaw ? this.#json.value.trim() || 'null' : this.#readFields())
    } catch {
      return {}
    }
  }

  /**
   * The data to publish.
   * @throws Error if it is not JSON, or the contract refuses it
   */
  get payload(): Uint8Array {
    const text = this.#isRaw ? this.#json.value : this.#readFields()
    let data: unknown
    try {
      data = text.trim() === '' ? undefined : JSON.parse(text)
    } catch (error) {
      throw new Error(`The data is not JSON: ${messageOf(error)}`)
    }
    const problem = this.#event && problemOf(this.#event, data)
    if (problem) throw new Error(`The contract refuses this: ${problem}.`)
    return new TextEncoder().encode(data === undefined || this.#isRaw ? text.trim() : JSON.stringify(data))
  }

  get #isRaw(): boolean {
    return this.#form === undefined || this.#raw.checked
  }

  #readFields(): string {
    return JSON.stringify(this.#form?.read() ?? null, null, 2)
  }

  #showData(): void {
    element('data').hidden = this.#isRaw
    for (const field of element('data').querySelectorAll<HTMLInputElement>('input, select, textarea'))
      field.disabled = this.#isRaw
    element('json-part').hidden = !this.#isRaw
  }

  #paramField(name: string, hint: string, value: string): HTMLElement {
    const input = make('input', 'mono')
    input.id = `param-${name}`
    input.autocomplete = 'off'
    input.spellcheck = false
    input.value = value
    this.#params.set(name, input)
    const label = make('label', '', name, make('span', 'hint', ` ${hint}`))
    label.htmlFor = input.id
    return make('div', 'field', label, input)
  }
}

/** Why an event's schema refuses a value; undefined if it takes it, or that can't be known here. */
export function problemOf({ schema }: EventDescription, data: unknown): string | undefined {
  if (!schema) return undefined
  const found = findBreaks({ const: data ?? null }, schema).find(({ isUnclear }) => !isUnclear)
  if (!found) return undefined
  const reason = found.reason
    .replace(/^is required, and may be missing$/, 'is missing')
    .replace(
      /^may (be|have) (.*), and (only|at least|at most)/,
      (_, verb, what, rest) => `${verb === 'be' ? 'is' : 'has'} ${what}, and ${rest}`,
    )
  return `${found.path ? `${found.path} ` : 'it '}${reason}`
}
