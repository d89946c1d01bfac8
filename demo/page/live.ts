import { type Bus, type ConnectionStatus, connect, isSpanwireError } from '../../sdk/index.ts'
import { DEPARTED, events, MESSAGE } from '../events.ts'
import type { Filter } from './filter.ts'

/** The room that everybody on the page is in. */
const ROOM = 'lobby'

/** A departure as it arrived. */
export interface LiveDeparture {
  readonly origin: string
  readonly destination: string
  readonly departedAt: string
  readonly delay: number
  readonly via: string
  /** When it was published, in ms since 1970. */
  readonly time: number
}

/** Where the page's events go. */
export interface Listeners {
  status(status: ConnectionStatus): void
  departure(departure: LiveDeparture): void
  message(message: { id: string; name: string; text: string; time: number }): void
}

/** The page's one connection. */
export class Live {
  readonly #bus: Bus<typeof events>
  readonly #listeners: Listeners
  #filtered = new AbortController()

  constructor(url: string, listeners: Listeners) {
    this.#listeners = listeners
    this.#bus = connect({ url, events, token: fetchToken })
    this.#bus.status.subscribe((status) => listeners.status(status))
    listeners.status(this.#bus.status.current)
    this.#bus.on(MESSAGE, { room: ROOM }, ({ id, time, data }) => listeners.message({ id, time, ...data }))
  }

  /** Ends the subscription there was and begins another: the server sends what matches, and nothing else. */
  watch(filter: Filter): void {
    this.#filtered.abort()
    this.#filtered = new AbortController()
    void this.#follow(filter, this.#filtered.signal)
  }

  async say(name: string, text: string): Promise<void> {
    await this.#bus.publish(MESSAGE, { room: ROOM }, { name, text })
  }

  async #follow(filter: Filter, signal: AbortSignal): Promise<void> {
    try {
      const departures = this.#bus.subscribe(DEPARTED, filter, { signal })
      for await (const { params, data, time } of departures) {
        this.#listeners.departure({ ...params, ...data, time })
      }
    } catch (error) {
      this.#listeners.status({
        state: 'closed',
        reason: isSpanwireError(error) ? error : { code: 'connection-closed', message: String(error) },
      })
    }
  }
}

async function fetchToken(): Promise<string> {
  const response = await fetch('/demo/token')
  if (!response.ok) throw new Error(`GET /demo/token answered ${response.status}`)
  return ((await response.json()) as { token: string }).token
}
