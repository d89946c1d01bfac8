import { element, make } from './element.ts'

/** Panels that a narrow page shows one at a time, with the names of their tabs. */
const PANELS = [
  ['board', 'Departures'],
  ['ranking', 'Airports'],
  ['chat', 'Chat'],
  ['code', 'Code'],
  ['inspector', 'Inspector'],
] as const

interface Tab {
  readonly button: HTMLButtonElement
  readonly panel: HTMLElement
  /** Id of the heading that names the panel on a wide page. */
  readonly title: string
}

const narrow = matchMedia('(max-width: 760px)')

/** Starts the tabs. A wide page shows all panels and no tabs. */
export function startTabs(): void {
  const list = element('tabs')
  list.setAttribute('role', 'tablist')
  list.setAttribute('aria-label', 'Panels')
  const tabs = PANELS.map(([name, label]): Tab => {
    const button = make('button', '', label)
    button.type = 'button'
    button.id = `tab-${name}`
    button.setAttribute('role', 'tab')
    button.setAttribute('aria-controls', `panel-${name}`)
    const panel = element(`panel-${name}`)
    return { button, panel, title: panel.getAttribute('aria-labelledby') ?? '' }
  })
  list.append(...tabs.map(({ button }) => button))
  let selected = 0

  const show = (): void => {
    for (const [i, { button, panel, title }] of tabs.entries()) {
      const isSelected = i === selected
      button.setAttribute('aria-selected', String(isSelected))
      button.tabIndex = isSelected ? 0 : -1
      panel.hidden = narrow.matches && !isSelected
      panel.setAttribute('aria-labelledby', narrow.matches ? button.id : title)
      if (narrow.matches) panel.setAttribute('role', 'tabpanel')
      else panel.removeAttribute('role')
    }
  }
  const select = (index: number): void => {
    selected = (index + tabs.length) % tabs.length
    show()
  }
  for (const [i, { button }] of tabs.entries()) button.addEventListener('click', () => select(i))
  list.addEventListener('keydown', ({ key }) => {
    const next = { ArrowLeft: selected - 1, ArrowRight: selected + 1, Home: 0, End: tabs.length - 1 }[key]
    if (next === undefined) return
    select(next)
    tabs[selected]?.button.focus()
  })
  narrow.addEventListener('change', show)
  show()
}
