import { element, make } from './element.ts'
import { recall, remember } from './memory.ts'

/** One chat message. */
export interface Message {
  readonly id: string
  readonly name: string
  readonly text: string
  /** ms since 1970. */
  readonly time: number
}

/** Publishes a message of the visitor. Resolves when the server has accepted it. */
export type Say = (name: string, text: string) => Promise<void>

const MOST = 100
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })

/** The chat box. */
export class Chat {
  readonly #messages = element('messages')
  readonly #name = element<HTMLInputElement>('name')
  readonly #text = element<HTMLInputElement>('text')
  readonly #problem = element('problem')
  readonly #say: Say

  constructor(say: Say, typed: (name: string, text: string) => void) {
    this.#say = say
    this.#name.value = recall('name') ?? ''
    const tell = (): void => typed(this.#name.value, this.#text.value)
    this.#name.addEventListener('input', tell)
    this.#text.addEventListener('input', tell)
    element('chat').addEventListener('submit', (event) => {
      event.preventDefault()
      void this.#send()
    })
    tell()
  }

  add({ name, text, time }: Message): void {
    element('log-empty').hidden = true
    const line = make('p', name === this.#name.value.trim() ? 'message own' : 'message')
    const when = make('time', '', clock.format(time))
    when.dateTime = new Date(time).toISOString()
    line.append(make('b', '', name), when, make('br'), text)
    this.#messages.append(line)
    const messages = this.#messages.querySelectorAll('.message')
    if (messages.length > MOST) messages[0]?.remove()
  }

  async #send(): Promise<void> {
    const name = this.#name.value.trim()
    const text = this.#text.value.trim()
    if (!name || !text) return
    remember('name', name)
    this.#problem.textContent = ''
    this.#text.value = ''
    this.#text.focus()
    try {
      await this.#say(name, text)
    } catch (error) {
      if (this.#text.value === '') this.#text.value = text
      this.#problem.textContent = `Not sent: ${error instanceof Error ? error.message : String(error)}`
    }
  }
}
