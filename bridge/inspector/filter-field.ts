import { trimBlanks } from '../../sdk/wire/header-fields.ts'
import { make } from '../page-kit/element.ts'

/** A search field that calls `changed` while the user types. */
export function makeFilter(label: string, changed: () => void): { element: HTMLElement; value: () => string } {
  const input = make('input')
  input.type = 'search'
  input.autocomplete = 'off'
  input.spellcheck = false
  let timer: ReturnType<typeof setTimeout> | undefined
  input.addEventListener('input', () => {
    clearTimeout(timer)
    timer = setTimeout(changed, 200)
  })
  return { element: make('label', 'filter', `${label} `, input), value: () => trimBlanks(input.value) }
}
