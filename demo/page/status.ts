import type { ConnectionState, ConnectionStatus } from '../../sdk/index.ts'
import { element } from './element.ts'

const WORDS: Record<ConnectionState, string> = {
  connecting: 'Connecting',
  open: 'Live',
  reconnecting: 'Reconnecting',
  closed: 'Closed',
}

/** The badge in the header, and a banner over the map with the reason for a missing connection. */
export class StatusBadge {
  readonly #badge = element('status')
  readonly #text = element('status-text')
  readonly #banner = element('banner')

  /** @param isCut whether the visitor has cut the network */
  show({ state, reason }: ConnectionStatus, isCut: boolean): void {
    this.#badge.dataset.state = state
    this.#badge.title = reason ? `${reason.code}: ${reason.message}` : ''
    this.#text.textContent = WORDS[state]
    this.#banner.hidden = state === 'open' || (state === 'connecting' && !reason)
    const promise =
      state === 'closed' ? 'Reload the page to try again.' : 'Flights continue where they stopped when it is back.'
    const why = isCut ? 'You have cut the network.' : (reason?.message ?? WORDS[state])
    this.#banner.textContent = `${why} ${promise}`
  }
}
