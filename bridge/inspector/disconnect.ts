import { messageOf } from '../../sdk/kit/error-text.ts'
import { trimBlanks } from '../../sdk/wire/header-fields.ts'
import { make } from '../page-kit/element.ts'
import { type Api, KeyRefused } from './api.ts'

/** Asks for the admin key, and closes a connection. The key stays in memory only. */
export class Disconnect {
  readonly element = make('dialog', 'card')
  readonly #text = make('p')
  readonly #problem = make('p', 'problem')
  readonly #key = make('input')
  #order: (() => Promise<void>) | undefined

  constructor() {
    const title = make('h2', '', 'Disconnect')
    title.id = 'disconnect-title'
    this.element.setAttribute('aria-labelledby', title.id)
    this.#problem.role = 'alert'
    this.#key.type = 'password'
    this.#key.autocomplete = 'off'
    const submit = make('button', 'button', 'Disconnect')
    const cancel = make('button', 'button quiet', 'Cancel')
    cancel.type = 'button'
    cancel.addEventListener('click', () => this.element.close())
    const form = make('form', 'asking', title, this.#text, make('label', '', 'Admin key ', this.#key), this.#problem)
    form.append(make('div', 'actions', submit, cancel))
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      void this.#submit()
    })
    this.element.append(form)
  }

  ask(api: Api, connection: string, user: string): void {
    this.#problem.textContent = ''
    this.#text.textContent = `This closes the connection of ${user}. A client with a valid token can connect again.`
    this.#order = () => api.disconnect(connection, trimBlanks(this.#key.value))
    this.element.showModal()
  }

  async #submit(): Promise<void> {
    try {
      await this.#order?.()
      this.element.close()
    } catch (error) {
      this.#problem.textContent = error instanceof KeyRefused ? 'The bridge refuses this admin key.' : messageOf(error)
    }
  }
}
