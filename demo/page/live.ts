import {
  type Bus,
  type ConnectionStatus,
  connect,
  isSpanwireError,
  type StartFrom,
  type WebSocketOptions,
} from '../../sdk/index.ts'
import { DEPARTED, events, MESSAGE, MESSAGES_KEPT, ROOM } from '../events.ts'
import type { Filter } from './filter.ts'
import type { Inspected } from './inspector-row.ts'
import type { People } from './people.ts'
import { Playback } from './playback.ts'

/** Number of past flights that fill the page at once. */
const FILL = 100

/**
 * Kind of a delivery: as it was published, from the past to fill the page, from the past that the slider selects, or
 * after an outage.
 */
export type Delivery = 'live' | 'fill' | 'replay' | 'late'

/** A departure as it was received. */
export interface LiveDeparture {
  readonly origin: string
  readonly destination: string
  readonly departedAt: string
  readonly delay: number
  readonly via: string
  /** Time of publishing, in ms since 1970. */
  readonly time: number
  readonly delivery: Delivery
}

/** Callbacks for received events. */
export interface Listeners {
  status(status: ConnectionStatus): void
  departure(departure: LiveDeparture): void
  /** Called with the number of flights that the stream removed before they were delivered. */
  lost(flights: number): void
  message(message: { id: string; name: string; text: string; time: number }): void
  inspected(event: Inspected): void
}

/** Members of both kinds of events that the inspector shows. */
interface AnyEvent extends Pick<Inspected, 'subject' | 'seq' | 'payload' | 'time'> {
  readonly live: boolean | undefined
  readonly headers: Inspected['headers'] & { get(name: string): string | undefined }
}

/** The page's one connection. */
export class Live {
  readonly #bus: Bus<typeof events>
  readonly #listeners: Listeners
  #filtered = new AbortController()
  #isOpen = false
  /** Whether the connection was lost since the subscription began. */
  #wasInterrupted = false

  constructor(url: string, openSocket: NonNullable<WebSocketOptions['openSocket']>, listeners: Listeners) {
    this.#listeners = listeners
    this.#bus = connect({ url, events, token: fetchToken, openSocket, via: 'websocket' })
    this.#bus.status.subscribe((status) => {
      if (this.#isOpen && status.state !== 'open') this.#wasInterrupted = true
      this.#isOpen = status.state === 'open'
      listeners.status(status)
    })
    listeners.status(this.#bus.status.current)
    this.#bus.on(
      MESSAGE,
      { room: ROOM },
      (e) => {
        listeners.message({ id: e.id, time: e.time, ...e.data })
        this.#inspect(e)
      },
      { from: { last: MESSAGES_KEPT } },
    )
  }

  /**
   * Replaces the subscription. The server sends only matching events.
   * @param back start of the replay, in ms before now. 0 fills the page with the last flights.
   */
  watch(filter: Filter, back = 0): void {
    this.#filtered.abort()
    this.#filtered = new AbortController()
    this.#wasInterrupted = false
    void this.#follow(filter, back, this.#filtered.signal)
  }

  async say(name: string, text: string): Promise<void> {
    await this.#bus.publish(MESSAGE, { room: ROOM }, { name, text })
  }

  /** Joins the presence channel. */
  async meet(people: People): Promise<void> {
    await people.start(() => this.#bus.presence(ROOM))
  }

  async #follow(filter: Filter, back: number, signal: AbortSignal): Promise<void> {
    const from: StartFrom = back > 0 ? { time: Date.now() - back } : { last: FILL }
    const past = back > 0 ? 'replay' : 'fill'
    const playback = new Playback()
    try {
      const flights = this.#bus.subscribe(DEPARTED, filter, {
        signal,
        from,
        onGap: ({ ranges }) => this.#listeners.lost(ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0)),
      })
      for await (const e of flights) {
        const delivery = e.live ? 'live' : this.#wasInterrupted ? 'late' : past
        await playback.until(e.time, delivery, signal)
        if (signal.aborted) return
        this.#listeners.departure({ ...e.params, ...e.data, time: e.time, delivery })
        this.#inspect(e)
      }
    } catch (error) {
      this.#listeners.status({
        state: 'closed',
        reason: isSpanwireError(error) ? error : { code: 'connection-closed', message: String(error) },
      })
    }
  }

  #inspect({ subject, seq, live, time, payload, headers }: AnyEvent): void {
    // version-trace-parent-flags
    const trace = headers.get('traceparent')?.split('-')[1]
    const latency = live === false ? undefined : Date.now() - time
    this.#listeners.inspected({ subject, seq, payload, headers, time, latency, trace })
  }
}

async function fetchToken(): Promise<string> {
  const response = await fetch('/demo/token')
  if (!response.ok) throw new Error(`GET /demo/token returned ${response.status}`)
  return ((await response.json()) as { token: string }).token
}
