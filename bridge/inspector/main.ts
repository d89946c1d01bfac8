/** The inspector: signs in with the monitoring key, and shows one view at a time. */
import { messageOf } from '../../sdk/kit/error-text.ts'
import { trimBlanks } from '../../sdk/wire/header-fields.ts'
import { element, make } from '../page-kit/element.ts'
import { startTheme } from '../page-kit/theme.ts'
import { Api, KeyRefused } from './api.ts'
import { Connections } from './connections.ts'
import { Events } from './events.ts'
import { Overview } from './overview.ts'
import { Presence } from './presence.ts'
import { Relays } from './relays.ts'
import { Streams } from './streams.ts'
import { Subjects } from './subjects.ts'
import { Tail } from './tail.ts'
import type { View } from './view.ts'

const KEY = 'spanwire-monitoring-key'

const views: Readonly<Record<string, readonly [title: string, create: () => View]>> = {
  overview: ['Overview', () => new Overview()],
  connections: ['Connections', () => new Connections()],
  subjects: ['Subjects', () => new Subjects()],
  tail: ['Live tail', () => new Tail()],
  streams: ['Streams', () => new Streams()],
  presence: ['Presence', () => new Presence()],
  relays: ['Relays', () => new Relays()],
  events: ['Events', () => new Events()],
}

const base = new URL(document.body.dataset.bridge ?? './', location.href)
const created = new Map<string, View>()
let api: Api | undefined
let visible: View | undefined
let timer: ReturnType<typeof setTimeout> | undefined

startTheme()
// A page of another site must not show it in a frame, and a static asset can't forbid it by a header.
if (window.top === window.self) void start()

async function start(): Promise<void> {
  element('nav').append(
    ...Object.entries(views).map(([id, [title]]) => {
      const link = make('a', '', title)
      link.href = `#/${id}`
      return link
    }),
  )
  element<HTMLFormElement>('sign-in-form').addEventListener('submit', (event) => {
    event.preventDefault()
    void signIn(trimBlanks(element<HTMLInputElement>('key').value))
  })
  element('sign-out').addEventListener('click', () => signOut(''))
  addEventListener('hashchange', () => void (givenKey() ?? (api && show())))
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && api) void refresh()
  })
  if (givenKey()) return
  const key = sessionStorage.getItem(KEY)
  if (key) await signIn(key)
  else signOut('')
}

/** Signs in with the key of a link, and removes it from the address. Undefined if there is none. */
function givenKey(): Promise<void> | undefined {
  const [, key] = /^#key=(.+)$/s.exec(location.hash) ?? []
  if (key === undefined) return undefined
  history.replaceState(null, '', location.pathname)
  return signIn(key)
}

async function signIn(key: string): Promise<void> {
  try {
    api = await Api.open(base, key)
    sessionStorage.setItem(KEY, key)
    element('sign-in').hidden = true
    element('app').hidden = false
    element('sign-out').hidden = false
    show()
  } catch (error) {
    signOut(error instanceof KeyRefused ? error.message : `The bridge is unreachable: ${messageOf(error)}`)
  }
}

function signOut(problem: string): void {
  clearTimeout(timer)
  visible?.hide?.()
  api = undefined
  sessionStorage.removeItem(KEY)
  element('app').hidden = true
  element('sign-out').hidden = true
  element('sign-in').hidden = false
  element('sign-in-problem').textContent = problem
  element<HTMLInputElement>('key').value = ''
  element('key').focus()
  setStatus('closed', 'Signed out')
}

function show(): void {
  const named = location.hash.slice(2)
  const id = views[named] ? named : 'overview'
  const view = created.get(id) ?? views[id]?.[1]()
  if (!view) return
  created.set(id, view)
  for (const link of element('nav').querySelectorAll('a'))
    link.setAttribute('aria-current', link.hash === `#/${id}` ? 'page' : 'false')
  if (visible !== view) visible?.hide?.()
  visible = view
  document.title = `${views[id]?.[0]} - Spanwire inspector`
  element('view').replaceChildren(view.element)
  void refresh()
}

/** Reads the visible view again and again. A page in the background reads nothing. */
async function refresh(): Promise<void> {
  clearTimeout(timer)
  const [view, from] = [visible, api]
  if (!view || !from || document.hidden) return view?.hide?.()
  try {
    await view.refresh(from)
    const asleep = [...from.silent.keys()].join(', ')
    setStatus('open', asleep === '' ? 'Live' : `Live, without ${asleep}`)
  } catch (error) {
    if (error instanceof KeyRefused) return signOut(error.message)
    setStatus('reconnecting', messageOf(error))
  }
  if (view === visible && from === api) timer = setTimeout(refresh, view.interval)
}

function setStatus(state: string, text: string): void {
  element('status').dataset.state = state
  if (element('status-text').textContent !== text) element('status-text').textContent = text
}
