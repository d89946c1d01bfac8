import { DEPARTED, MESSAGE } from '../events.ts'
import { element, make } from './element.ts'
import { EVERYTHING, type Filter } from './filter.ts'

/** A highlighted piece of code. The class `hot` marks the choices of the visitor. */
type Piece = readonly [kind: '' | 'keyword' | 'string' | 'comment' | 'hot', text: string]

const COPIED_FOR = 2_000

/** Shows the code of this page with the filter and the message of the visitor. */
export class CodePanel {
  readonly #code = element('code')
  readonly #url: string
  #filter = EVERYTHING
  #name = ''
  #text = ''

  constructor(url: string) {
    this.#url = url
    const button = element<HTMLButtonElement>('copy')
    button.addEventListener('click', () => {
      navigator.clipboard.writeText(this.#code.textContent ?? '').then(
        () => said(button, 'Copied'),
        () => said(button, 'Not allowed'),
      )
    })
    this.#show()
  }

  filtered(filter: Filter): void {
    this.#filter = filter
    this.#show()
  }

  typed(name: string, text: string): void {
    this.#name = name
    this.#text = text
    this.#show()
  }

  #show(): void {
    const { origin, destination } = this.#filter
    const pieces: Piece[] = [
      ...keywords('import { connect } from '),
      ['string', "'spanwire'\n"],
      ...keywords('import { events } from '),
      ['string', "'./events.ts'\n\n"],
      ...keywords('const bus = connect({\n  url: '),
      ['string', quoted(this.#url)],
      ['', ',\n  events,\n  token,\n})\n\n'],
      ...keywords('const departures = bus.subscribe(\n  '),
      ['string', quoted(DEPARTED)],
      ['', ',\n  { origin: '],
      ['hot', quoted(origin)],
      ['', ', destination: '],
      ['hot', quoted(destination)],
      ['', ' },\n)\n'],
      ...keywords('for await (const e of departures) {\n  map.depart(e.params, e.data.delay)\n}\n\n'),
      ['comment', '// the chat box\n'],
      ...keywords('await bus.publish(\n  '),
      ['string', quoted(MESSAGE)],
      ['', ',\n  { room: '],
      ['string', "'lobby'"],
      ['', ' },\n  { name: '],
      ['hot', quoted(this.#name || '…')],
      ['', ', text: '],
      ['hot', quoted(this.#text || '…')],
      ['', ' },\n)'],
    ]
    this.#code.replaceChildren(...pieces.map(([kind, text]) => (kind ? make('span', kind, text) : text)))
  }
}

function keywords(code: string): Piece[] {
  return code
    .split(/\b(import|from|const|for|await|of)\b/)
    .map((text, i): Piece => [i % 2 === 1 ? 'keyword' : '', text])
    .filter(([, text]) => text !== '')
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`
}

function said(button: HTMLButtonElement, word: string): void {
  button.textContent = word
  element('copied').textContent = word
  setTimeout(() => {
    button.textContent = 'Copy'
    element('copied').textContent = ''
  }, COPIED_FOR)
}
