import { make } from './element.ts'

/** One event as it was received. */
export interface Inspected {
  readonly subject: string
  /** Sequence in the stream. Undefined for an event without a stream. */
  readonly seq: number | undefined
  readonly payload: Uint8Array
  readonly headers: Iterable<readonly [name: string, value: string]>
  /** Time of publishing, in ms since 1970. */
  readonly time: number
  /** Latency from publisher to page, in ms. Undefined for a replayed event. */
  readonly latency: number | undefined
  /** Id of the trace that the publisher started. */
  readonly trace: string | undefined
}

const utf8 = new TextDecoder()
const COLUMNS = 6

/** A row of the inspector that shows one event after another. Its button opens the event. */
export class InspectorRow {
  readonly row: HTMLTableRowElement = make('tr')
  readonly button: HTMLButtonElement = make('button')
  readonly #cells = Array.from({ length: COLUMNS - 1 }, () => make('td'))
  event: Inspected | undefined

  constructor(toggled: (row: InspectorRow) => void) {
    this.button.type = 'button'
    this.button.setAttribute('aria-expanded', 'false')
    const first = make('td')
    first.append(this.button)
    this.row.append(first, ...this.#cells)
    // The whole row is easier to hit than the button, which is for the keyboard.
    this.row.addEventListener('click', () => toggled(this))
  }

  show(event: Inspected | undefined): void {
    this.event = event
    this.row.hidden = event === undefined
    if (!event) return
    this.button.textContent = event.subject
    const texts = [
      event.seq === undefined ? '–' : String(event.seq),
      utf8.decode(event.payload),
      String(event.payload.length),
      latencyOf(event),
      event.trace?.slice(0, 16) ?? '–',
    ]
    for (const [i, cell] of this.#cells.entries()) cell.textContent = texts[i] ?? ''
  }
}

/** Returns a row with all facts about an event. */
export function detailRow(event: Inspected): HTMLTableRowElement {
  const row = make('tr', 'detail')
  const cell = make('td')
  cell.colSpan = COLUMNS
  const facts = make('dl')
  const add = (name: string, value: string): void => {
    const pair = make('div')
    pair.append(make('dt', '', name), make('dd', '', value))
    facts.append(pair)
  }
  add('Subject', event.subject)
  add('Sequence in its stream', event.seq === undefined ? 'no stream' : String(event.seq))
  add('Published', new Date(event.time).toISOString())
  add('Latency, from publish to this page', latencyOf(event))
  for (const [name, value] of event.headers) add(name, value)
  cell.append(facts, make('pre', '', pretty(event.payload)))
  row.append(cell)
  return row
}

function latencyOf({ latency }: Inspected): string {
  return latency === undefined ? 'replay' : `${Math.max(0, latency).toFixed(0)} ms`
}

function pretty(payload: Uint8Array): string {
  const text = utf8.decode(payload)
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2)
  } catch {
    return text
  }
}
