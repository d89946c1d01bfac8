import { element } from './element.ts'
import { remember } from './memory.ts'

/** The button that swaps light and dark. Until it is pressed, the system decides. */
export function startTheme(changed: () => void): void {
  const button = element<HTMLButtonElement>('theme')
  const system = matchMedia('(prefers-color-scheme: dark)')
  const show = (): void => button.setAttribute('aria-pressed', String(isDark(system)))
  button.addEventListener('click', () => {
    const theme = isDark(system) ? 'light' : 'dark'
    document.documentElement.dataset.theme = theme
    remember('theme', theme)
    show()
    changed()
  })
  system.addEventListener('change', show)
  show()
}

function isDark(system: MediaQueryList): boolean {
  const { theme } = document.documentElement.dataset
  return theme ? theme === 'dark' : system.matches
}
