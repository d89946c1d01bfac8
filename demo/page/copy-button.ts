import { element } from './element.ts'

const SHOWN = 2_000

/** Starts the buttons with `data-copy`, which name the element whose text they copy. */
export function startCopyButtons(): void {
  const said = element('copied')
  for (const button of document.querySelectorAll<HTMLButtonElement>('[data-copy]')) {
    const label = button.textContent
    const say = (word: string): void => {
      button.textContent = word
      said.textContent = word
      setTimeout(() => {
        button.textContent = label
        said.textContent = ''
      }, SHOWN)
    }
    button.addEventListener('click', () => {
      // Pages without HTTPS have no clipboard, except on localhost.
      const written = navigator.clipboard?.writeText(element(button.dataset.copy ?? '').textContent ?? '')
      if (!written) return say('Not allowed')
      written.then(
        () => say('Copied'),
        () => say('Not allowed'),
      )
    })
  }
}
