import { element, make } from './element.ts'
import { EVERYTHING, type Filter } from './filter.ts'
import { type Choices, writeProgram } from './program.ts'

const TOKEN = /(?<comment>\/\/.*)|(?<string>'(?:[^'\\]|\\.)*')|(?<keyword>\b(?:import|from|const|async|await)\b)/g

/** Shows the program of this page with the filter and the message of the visitor. */
export class CodePanel {
  readonly #code = element('code')
  #choices: Choices

  constructor(url: string) {
    this.#choices = { url, filter: EVERYTHING, name: '', text: '' }
    this.#show()
  }

  filtered(filter: Filter): void {
    this.#change({ filter })
  }

  typed(name: string, text: string): void {
    this.#change({ name, text })
  }

  #change(choices: Partial<Choices>): void {
    this.#choices = { ...this.#choices, ...choices }
    this.#show()
  }

  #show(): void {
    const pieces = writeProgram(this.#choices)
    this.#code.replaceChildren(
      ...pieces.flatMap(({ code, isHot }) => (isHot ? [make('span', 'hot', code)] : highlight(code))),
    )
  }
}

function highlight(code: string): (string | HTMLElement)[] {
  const parts: (string | HTMLElement)[] = []
  let end = 0
  for (const match of code.matchAll(TOKEN)) {
    const [text] = match
    const kind = Object.entries(match.groups ?? {}).find(([, found]) => found !== undefined)?.[0] ?? ''
    parts.push(code.slice(end, match.index), make('span', kind, text))
    end = match.index + text.length
  }
  return [...parts, code.slice(end)]
}
