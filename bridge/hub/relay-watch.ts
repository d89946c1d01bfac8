import { ANNOUNCEMENTS, ROLL_CALL } from '../upstream/relay-subjects.ts'
import type { Upstream } from '../upstream/upstream.ts'

/** Processes of relays that are kept. */
const MAX_PROCESSES = 64
/** Largest status of one process, in bytes. */
const MAX_STATUS = 64 * 1024
/** A process that has been silent for this time has ended, in ms. It announces itself every 5 s. */
const SILENT = 16_000
/** Announcements are followed until there was no query for this time, in ms. */
const IDLE = 30_000

/** The last announcement of a process of relays, as it was sent. */
export interface RelayProcess {
  readonly process: string
  /** When it arrived, in ms since 1970. */
  readonly time: number
  readonly relays: readonly unknown[]
}

/** Follows the announcements of relays on the same NATS, only while they are queried. */
export class RelayWatch {
  readonly #upstream: Upstream
  readonly #clock: () => number
  readonly #processes = new Map<string, RelayProcess>()
  #unsubscribe: (() => void) | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(upstream: Upstream, clock: () => number) {
    this.#upstream = upstream
    this.#clock = clock
  }

  /** Processes that announced themselves recently. The first query begins, and has no answer yet. */
  read(): readonly RelayProcess[] {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.close(), IDLE)
    if (!this.#unsubscribe) this.#begin()
    for (const [id, { time }] of this.#processes) if (this.#clock() - time >= SILENT) this.#processes.delete(id)
    return [...this.#processes.values()]
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#unsubscribe?.()
    this.#unsubscribe = undefined
    this.#processes.clear()
  }

  #begin(): void {
    this.#unsubscribe = this.#upstream.subscribe(ANNOUNCEMENTS, undefined, ({ payload }) => this.#take(payload))
    try {
      this.#upstream.publish({ subject: ROLL_CALL, payload: new Uint8Array(0) })
    } catch {
      // NATS is unavailable. Each process announces itself once it is back.
    }
  }

  #take(payload: Uint8Array): void {
    if (payload.length > MAX_STATUS) return
    const status = parse(payload)
    if (!status || (this.#processes.size >= MAX_PROCESSES && !this.#processes.has(status.process))) return
    this.#processes.set(status.process, { ...status, time: this.#clock() })
  }
}

/** Undefined for a message that is not an announcement, as from a relay of another version. */
function parse(payload: Uint8Array): Omit<RelayProcess, 'time'> | undefined {
  try {
    const { process, relays } = Object(JSON.parse(new TextDecoder().decode(payload))) as Record<string, unknown>
    return typeof process === 'string' && Array.isArray(relays) ? { process, relays } : undefined
  } catch {
    return undefined
  }
}
