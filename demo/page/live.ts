import { type Bus, type ConnectionStatus, connect, isSpanwireError, type WebSocketOptions } from '../../sdk/index.ts'
import { DEPARTED, events, MESSAGE } from '../events.ts'
import type { Filter } from './filter.ts'
import type { Inspected } from './inspector.ts'
import type { People } from './people.ts'
import { Playback } from './playback.ts'

/** Chat room and presence channel of all visitors. */
const ROOM = 'lobby'

/** A departure as it was received. */
export interface LiveDeparture {
  readonly origin: string
  readonly destination: string
  readonly departedAt: string
  readonly delay: number
  readonly via: string
  /** Time of publishing, in ms since 1970. */
  readonly time: number
  /** Whether it was delivered live. False for a replayed event. */
  readonly isLive: boolean
}

/** Callbacks for received events. */
export interface Listeners {
  status(status: ConnectionStatus): void
  departure(departure: LiveDeparture): void
  message(message: { id: string; name: string; text: string; time: number }): void
  inspected(event: Inspected): void
}

/** Members of both kinds of events that the inspector shows. */
interface AnyEvent {
  readonly subject: string
  readonly seq: number | undefined
  readonly live: boolean | undefined
  readonly time: number
  readonly payload: Uint8Array
  readonly headers: { get(name: string): string | undefined }
}

/** The page's one connection. */
export class Live {
  readonly #bus: Bus<typeof events>
  readonly #listeners: Listeners
  #filtered = new AbortController()

  constructor(url: string, openSocket: NonNullable<WebSocketOptions['openSocket']>, listeners: Listeners) {
    this.#listeners = listeners
    this.#bus = connect({ url, events, token: fetchToken, openSocket, via: 'websocket' })
    this.#bus.status.subscribe((status) => listeners.status(status))
    listeners.status(this.#bus.status.current)
    this.#bus.on(MESSAGE, { room: ROOM }, (e) => {
      listeners.message({ id: e.id, time: e.time, ...e.data })
      this.#inspect(e)
    })
  }

  /**
   * Replaces the subscription. The server sends only matching events.
   * @param back start of the replay, in ms before now
   */
  watch(filter: Filter, back = 0): void {
    this.#filtered.abort()
    this.#filtered = new AbortController()
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
    try {
      const from = back > 0 ? { time: Date.now() - back } : 'new'
      const playback = new Playback()
      for await (const e of this.#bus.subscribe(DEPARTED, filter, { signal, from })) {
        await playback.until(e.time, e.live, signal)
        if (signal.aborted) return
        this.#listeners.departure({ ...e.params, ...e.data, time: e.time, isLive: e.live === true })
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
    this.#listeners.inspected({ subject, seq, size: payload.length, latency, trace })
  }
}

async function fetchToken(): Promise<string> {
  const response = await fetch('/demo/token')
  if (!response.ok) throw new Error(`GET /demo/token returned ${response.status}`)
  return ((await response.json()) as { token: string }).token
}
