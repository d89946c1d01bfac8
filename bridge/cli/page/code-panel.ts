import { element, make } from '../../page-kit/element.ts'
import { LANGUAGES, type Language, type SnippetOf, snippetFor } from './snippets.ts'

/** In ms. */
const COPIED_FOR = 2_000

/** The code to paste, with the values of the forms. */
export class CodePanel {
  readonly #code = element('code')
  #language: Language = 'TypeScript'
  #of: SnippetOf | undefined

  constructor() {
    const tabs = LANGUAGES.map((language) => {
      const button = make('button', 'tab', language)
      button.type = 'button'
      button.addEventListener('click', () => {
        this.#language = language
        this.#draw()
      })
      return button
    })
    element('tabs').append(...tabs)
    const copy = element<HTMLButtonElement>('copy')
    copy.addEventListener('click', () => {
      navigator.clipboard.writeText(this.#code.textContent ?? '').then(
        () => said(copy, 'Copied'),
        () => said(copy, 'Not allowed'),
      )
    })
  }

  show(of: SnippetOf): void {
    this.#of = of
    this.#draw()
  }

  #draw(): void {
    for (const tab of element('tabs').querySelectorAll('button'))
      tab.setAttribute('aria-pressed', String(tab.textContent === this.#language))
    if (this.#of) this.#code.replaceChildren(...highlight(snippetFor(this.#language, this.#of)))
  }
}

const PIECE = /(\/\/.*|^#.*)|('(?:[^'\\\n]|\\.)*')|\b(import|from|const|await|export|new)\b/gm

function highlight(code: string): Array<Node | string> {
  const found: Array<Node | string> = []
  let end = 0
  for (const match of code.matchAll(PIECE)) {
    found.push(code.slice(end, match.index))
    found.push(make('span', match[1] ? 'comment' : match[2] ? 'string' : 'keyword', match[0]))
    end = match.index + match[0].length
  }
  return [...found, code.slice(end)]
}

function said(button: HTMLButtonElement, word: string): void {
  button.textContent = word
  element('copied').textContent = word
  setTimeout(() => {
    button.textContent = 'Copy'
    element('copied').textContent = ''
  }, COPIED_FOR)
}
