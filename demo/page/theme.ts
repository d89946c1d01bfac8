import { element } from './element.ts'
import { remember } from './memory.ts'

const system = matchMedia('(prefers-color-scheme: dark)')

/** The button that switches between light and dark. The system decides until it is pressed. */
export function startTheme(changed: () => void): void {
  const button = element<HTMLButtonElement>('theme')
  const show = (): void => {
    button.setAttribute('aria-pressed', String(isDark()))
    changed()
  }
  button.addEventListener('click', () => {
    const theme = isDark() ? 'light' : 'dark'
    document.documentElement.dataset.theme = theme
    remember('theme', theme)
    show()
  })
  system.addEventListener('change', show)
  show()
}

/** Whether the page is dark now. */
export function isDark(): boolean {
  const { theme } = document.documentElement.dataset
  return theme ? theme === 'dark' : system.matches
}
