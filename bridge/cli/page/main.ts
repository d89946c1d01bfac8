/** The playground of `spanwire dev`: subscribe and publish by hand. */
import { connect } from '../../../sdk/connect.ts'
import type { StartFrom } from '../../../sdk/contract/bus.ts'
import { bytes } from '../../../sdk/contract/event.ts'
import { untyped } from '../../../sdk/contract/untyped-bus.ts'
import { messageOf } from '../../../sdk/kit/error-text.ts'
import { isBytes, membersOf } from '../../../sdk/kit/kinds.ts'
import { webSocket } from '../../../sdk/transport/websocket/websocket.ts'
import { matchesFilter } from '../../../sdk/wire/subject.ts'
import { element, make } from '../../page-kit/element.ts'
import { startTheme } from '../../page-kit/theme.ts'
import { CodePanel } from './code-panel.ts'
import { EventLog } from './event-log.ts'
import { EventPanel, problemOf } from './event-panel.ts'
import { followState, type PageState, readState } from './state.ts'
import { Subscriptions } from './subscriptions.ts'

startTheme()

let state = await readState()
const url = location.origin
const transport = webSocket({ url, token: () => Promise.resolve(state.token), name: 'playground' })
const log = new EventLog()
const code = new CodePanel()
const panel = new EventPanel(showCode)
const decoder = new TextDecoder()
const subscriptions = new Subscriptions(transport, ({ subject, payload, time, seq }) => {
  const data = decoder.decode(payload)
  const invalid = complaint(subject, data)
  log.add({ time, subject, data: oneLine(data), seq, ...(invalid && { invalid }) })
})

const STATES = { connecting: 'Connecting', open: 'Connected', reconnecting: 'Reconnecting', closed: 'Closed' } as const
const showStatus = () => {
  element('status').dataset.state = transport.status.state
  element('status-text').textContent = STATES[transport.status.state]
}
transport.onStatus(showStatus)
showStatus()

draw(state)
choose(state.events[0]?.name)
followState(async () => {
  state = await readState()
  const chosen = panel.event
  draw(state)
  // The form stays as it is where the event did not change.
  const now = state.events.find(({ name }) => name === chosen?.name)
  if (JSON.stringify(now) !== JSON.stringify(chosen)) choose(now?.name ?? state.events[0]?.name)
  else markChosen()
})

/** JSON as short as it can be; other text as it is. */
function oneLine(text: string): string {
  try {
    return /\n/.test(text) ? JSON.stringify(JSON.parse(text)) : text
  } catch {
    return text
  }
}

/** Returns the reason why the contract refuses an event. Undefined if the event is valid. */
function complaint(subject: string, data: string): string | undefined {
  const event = state.events.find(({ filter }) => matchesFilter(filter, subject))
  if (!event?.schema) return undefined
  try {
    const problem = problemOf(event, data === '' ? undefined : JSON.parse(data))
    return problem && `The contract refuses this: ${problem}.`
  } catch {
    return 'The contract refuses this: it is not JSON.'
  }
}

function draw({ events, contract, broker, problem, inspector }: PageState): void {
  element('source').textContent = contract
    ? `From ${contract}, reloaded when it changes.`
    : 'No contract yet: write events.ts, as the code here shows.'
  element('contract-problem').textContent = problem ?? ''
  element('broker').textContent = `Broker: ${broker}. This page and its token are for this machine only.`
  const link = element<HTMLAnchorElement>('inspector')
  link.hidden = inspector === undefined
  if (inspector) link.href = inspector
  const items = events.map((event) => {
    const marks = [event.stream && 'stream', event.reply && 'request'].filter((mark) => typeof mark === 'string')
    return eventButton(event.name, [
      make('span', '', ...spellName(event.name)),
      ...marks.map((mark) => make('span', 'mark', mark)),
    ])
  })
  element('events').replaceChildren(...items, eventButton(undefined, ['Any subject']))
}

function eventButton(name: string | undefined, children: ReadonlyArray<Node | string>): HTMLElement {
  const button = make('button', 'choice', ...children)
  button.type = 'button'
  button.dataset.event = name ?? ''
  button.addEventListener('click', () => choose(name))
  return make('li', '', button)
}

/** A name with its parameters marked. */
function spellName(name: string): Array<Node | string> {
  return name.split(/(\{[^{}]+\})/).map((part) => (part.startsWith('{') ? make('span', 'param', part) : part))
}

function choose(name: string | undefined): void {
  panel.show(state.events.find((event) => event.name === name))
  say('')
  markChosen()
  showCode()
}

function markChosen(): void {
  for (const button of element('events').querySelectorAll('button'))
    button.setAttribute('aria-current', String(button.dataset.event === (panel.event?.name ?? '')))
}

function showCode(): void {
  code.show({
    event: panel.event,
    contract: state.contract,
    subject: attempt(() => panel.subject) ?? subjectSketch(),
    filter: attempt(() => panel.filter) ?? '>',
    params: panel.params,
    data: panel.data,
    url: url.replace('127.0.0.1', 'localhost'),
    token: state.token,
  })
}

/** The subject with `x` for parameters that are not filled in. */
function subjectSketch(): string {
  return (panel.event?.name ?? 'test.hello').replaceAll(
    /\{([^{}]+?)(\.\.\.)?\}/g,
    (_, name: string) => panel.params[name] || 'x',
  )
}

function attempt<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch {
    return undefined
  }
}

function say(outcome: string, problem = ''): void {
  element('outcome').textContent = outcome
  element('problem').textContent = problem
}

async function act(run: () => Promise<string>): Promise<void> {
  say('')
  try {
    say(await run())
  } catch (error) {
    say('', messageOf(error))
  }
}

element<HTMLFormElement>('form').addEventListener('submit', (event) => {
  event.preventDefault()
  void act(panel.event?.reply ? ask : publish)
})

element('subscribe').addEventListener('click', () =>
  act(async () => {
    const { filter } = panel
    await subscriptions.add(filter, startOf(element<HTMLSelectElement>('from').value))
    return `Subscribed to ${filter}.`
  }),
)

function startOf(choice: string): StartFrom | undefined {
  if (element('from-part').hidden) return undefined
  // A subject may have no stream: then only live events are available.
  if (choice === 'new') return panel.event?.stream ? 'new' : undefined
  return choice === 'all' ? 'all' : { last: 10 }
}

async function publish(): Promise<string> {
  const { subject, payload } = panel
  const stream = panel.event?.stream
  const bus = untyped(connect({ transport, events: { [subject]: bytes(stream === undefined ? {} : { stream }) } }))
  const { stream: keptBy, seq } = membersOf(await bus.publish(subject, payload))
  return `Published to ${subject}${keptBy === undefined ? '' : `, ${keptBy} #${seq}`}.`
}

async function ask(): Promise<string> {
  const { subject, payload } = panel
  const answer = await untyped(connect({ transport, events: { [subject]: bytes() } })).request(subject, payload)
  return `The answer: ${isBytes(answer) ? decoder.decode(answer) : 'none'}`
}
