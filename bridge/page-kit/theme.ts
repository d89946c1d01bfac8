import { element } from './element.ts'

const KEY = 'spanwire-theme'
const system = matchMedia('(prefers-color-scheme: dark)')

/** The button that swaps light and dark. Until it is pressed, the system decides. */
export function startTheme(): void {
  const { dataset } = document.documentElement
  try {
    const kept = localStorage.getItem(KEY)
    if (kept) dataset.theme = kept
  } catch {
    // Storage is turned off: the choice is not kept.
  }
  const button = element<HTMLButtonElement>('theme')
  const isDark = () => (dataset.theme ? dataset.theme === 'dark' : system.matches)
  const show = () => button.setAttribute('aria-pressed', String(isDark()))
  button.addEventListener('click', () => {
    dataset.theme = isDark() ? 'light' : 'dark'
    try {
      localStorage.setItem(KEY, dataset.theme)
    } catch {
      // As above.
    }
    show()
  })
  system.addEventListener('change', show)
  show()
}
