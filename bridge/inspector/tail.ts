import { messageOf } from '../../sdk/kit/error-text.ts'
import { trimBlanks } from '../../sdk/wire/header-fields.ts'
import { make } from '../page-kit/element.ts'
import type { Api } from './api.ts'
import { formatBytes, formatInstant } from './format.ts'
import type { TailMessage, Tailz } from './responses.ts'
import type { View } from './view.ts'

/** Rows that are kept. */
const MAX_ROWS = 200
const TIME_HEADER = 'Spanwire-Time'

/** Messages of a filter, while this view is visible. */
export class Tail implements View {
  readonly element = make('div', 'view')
  readonly interval = 1_000
  readonly #input = make('input')
  readonly #button = make('button', 'button', 'Follow')
  readonly #note = make('p', 'note')
  readonly #problem = make('p', 'problem')
  readonly #rows = make('ol', 'tail')
  #filter: string | undefined
  #after: number | undefined
  #hub: string | undefined
  #missed = 0

  constructor() {
    this.#input.value = '>'
    this.#input.required = true
    this.#input.autocomplete = 'off'
    this.#input.spellcheck = false
    this.#note.role = 'status'
    this.#problem.role = 'alert'
    const form = make('form', 'follow', make('label', 'filter', 'Subject filter ', this.#input), this.#button)
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      if (this.#filter === undefined) this.#start(trimBlanks(this.#input.value))
      else this.#stop('Stopped.')
    })
    const header = make('header', '', make('h2', '', 'Live tail'), form)
    this.element.append(make('section', 'card', header, this.#note, this.#problem, this.#rows))
    this.#note.textContent = 'The bridge subscribes while this view is open. It keeps the last 200 messages.'
  }

  async refresh(api: Api): Promise<void> {
    const filter = this.#filter
    if (!api.info.tail) {
      this.#button.disabled = true
      this.#problem.textContent = 'The monitoring key of this bridge may not read messages.'
    }
    if (filter === undefined) return
    const query = `tailz?subject=${encodeURIComponent(filter)}${this.#after === undefined ? '' : `&after=${this.#after}`}`
    try {
      const page = this.#hub === undefined ? await this.#begin(api, query) : await api.one<Tailz>(query, this.#hub)
      if (filter === this.#filter) this.#show(page)
    } catch (error) {
      this.#stop('')
      this.#problem.textContent = messageOf(error)
    }
  }

  hide(): void {
    if (this.#filter !== undefined) this.#stop('Stopped.')
  }

  async #begin(api: Api, query: string): Promise<Tailz> {
    const { hub, body } = await api.any<Tailz>(query)
    this.#hub = hub
    return body
  }

  #start(filter: string): void {
    this.#filter = filter
    this.#after = undefined
    this.#hub = undefined
    this.#missed = 0
    this.#button.textContent = 'Stop'
    this.#problem.textContent = ''
    this.#note.textContent = `Following ${filter}`
    this.#rows.replaceChildren()
  }

  #stop(note: string): void {
    this.#filter = undefined
    this.#button.textContent = 'Follow'
    this.#note.textContent = note
  }

  #show({ messages, next, missed, ended }: Tailz): void {
    this.#after = next
    this.#missed += missed
    for (const message of messages) this.#rows.prepend(makeRow(message))
    while (this.#rows.children.length > MAX_ROWS) this.#rows.lastElementChild?.remove()
    const count = this.#rows.children.length
    const lost = this.#missed > 0 ? `, ${this.#missed} were too many to show` : ''
    this.#note.textContent = `Following ${this.#filter}: ${count} ${count === 1 ? 'message' : 'messages'}${lost}`
    if (!ended) return
    this.#stop('')
    this.#problem.textContent = 'Stopped: more than 2,000 messages per second. Use a narrower filter.'
  }
}

function makeRow(message: TailMessage): HTMLElement {
  const { time, subject, size, headers = [], text } = message
  const latency = latencyOf(message)
  const trace = headers.find(([name]) => name.toLowerCase() === 'traceparent')?.[1]
  const summary = make(
    'summary',
    '',
    make('time', 'mono', formatInstant(time)),
    make('span', 'mono subject', subject),
    make('span', 'mono preview', text?.slice(0, 200) ?? 'binary'),
    make('span', 'number', formatBytes(size)),
    make('span', 'number', latency === undefined ? '' : `${latency} ms`),
  )
  const row = make('details', '', summary)
  // Most rows are never opened.
  row.addEventListener('toggle', () => row.open && row.append(makeBody(message, latency, trace)), { once: true })
  return make('li', '', row)
}

/** From publishing to the bridge, by the clocks of both. */
function latencyOf({ time, headers = [] }: TailMessage): number | undefined {
  const published = Number(headers.find(([name]) => name === TIME_HEADER)?.[1] ?? Number.NaN)
  return Number.isFinite(published) ? time - published : undefined
}

function makeBody(message: TailMessage, latency: number | undefined, trace: string | undefined): HTMLElement {
  const { headers = [], reply, text, base64, cut, size } = message
  const facts = make('dl', 'facts')
  const add = (name: string, value: string) =>
    facts.append(make('div', '', make('dt', '', name), make('dd', 'mono', value)))
  add('Size', `${size} bytes with headers`)
  if (latency !== undefined) add('Latency', `${latency} ms, by the clocks of the publisher and the bridge`)
  if (trace !== undefined) add('Trace', trace.split('-')[1] ?? trace)
  if (reply !== undefined) add('Reply to', reply)
  for (const [name, value] of headers) add(name, value)
  const payload = make('pre', 'mono', pretty(text) ?? `base64: ${base64}`, cut ? '\n… cut off after 4,096 bytes' : '')
  payload.tabIndex = 0
  payload.role = 'region'
  payload.ariaLabel = 'Payload'
  return make('div', 'body', facts, payload)
}

function pretty(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2)
  } catch {
    return text
  }
}
