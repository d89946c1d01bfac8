import type { Session } from '../session/session.ts'
import { atMost } from './at-most.ts'

/** Interval at which sessions check their deadlines, in ms. */
const TICK = 1_000

/** Open sessions of a hub, and HTTP requests in progress. */
export class Registry {
  readonly #clock: () => number
  readonly #sessions = new Map<string, Session>()
  #sockets = 0
  #requests = 0
  #isClosed = false
  /** Resolves when a draining hub has no sessions and requests. */
  #emptied: PromiseWithResolvers<void> | undefined
  #timer: ReturnType<typeof setInterval> | undefined
  /** When the next tick is due, on the clock of `performance`. */
  #dueAt = 0
  /** The last tick was late, and checked nothing. */
  #wasLate = false
  /** Called once per second while there are sessions. */
  onTick: ((now: number) => void) | undefined

  constructor(clock: () => number) {
    this.#clock = clock
  }

  get size(): number {
    return this.#sessions.size
  }

  /** Open sockets. The socket of an ended session is open until its client has answered the close frame. */
  get sockets(): number {
    return this.#sockets
  }

  socketClosed(): void {
    this.#sockets--
  }

  /** All sessions, oldest first. A loop may end sessions. */
  get sessions(): readonly Session[] {
    return [...this.#sessions.values()]
  }

  /** One timer for all sessions, which runs only while there are any. */
  add(session: Session): void {
    this.#sessions.set(session.id, session)
    this.#sockets++
    if (this.#timer) return
    this.#dueAt = performance.now() + TICK
    this.#timer = setInterval(() => this.#tickInTime(), TICK)
  }

  /** Returns the session that was removed. */
  remove(id: string): Session | undefined {
    const session = this.#sessions.get(id)
    this.#sessions.delete(id)
    if (this.#sessions.size > 0) return session
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#checkEmpty()
    return session
  }

  /**
   * A hub that was busy reads its sockets first, and checks deadlines at the next tick: bytes that arrived in time may still
   * wait there. Not twice in a row, so that deadlines apply at a hub that is always busy.
   */
  #tickInTime(): void {
    const isLate = performance.now() - this.#dueAt > TICK
    this.#dueAt = performance.now() + TICK
    if (!isLate || this.#wasLate) this.tick()
    this.#wasLate = isLate && !this.#wasLate
  }

  tick(): void {
    const now = this.#clock()
    for (const session of this.sessions) session.tick(now)
    this.onTick?.(now)
  }

  /** Whether {@link close} was called. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Admits no more sessions. */
  close(): void {
    this.#isClosed = true
    this.#emptied ??= Promise.withResolvers()
  }

  /** Whether {@link drain} or {@link close} was called. */
  get isDraining(): boolean {
    return this.#emptied !== undefined
  }

  /** Counts an HTTP request, for which {@link drain} waits. */
  async during(request: Promise<void>): Promise<void> {
    this.#requests++
    try {
      await request
    } finally {
      this.#requests--
      this.#checkEmpty()
    }
  }

  /** Resolves when all sessions and requests have ended, or after `patience` ms. @param begin called when draining begins */
  async drain(patience: number, begin: () => void): Promise<void> {
    this.#emptied ??= Promise.withResolvers()
    begin()
    if (!this.#isEmpty) await atMost(patience, this.#emptied.promise)
  }

  get #isEmpty(): boolean {
    return this.#sessions.size === 0 && this.#requests === 0
  }

  #checkEmpty(): void {
    if (this.#isEmpty) this.#emptied?.resolve()
  }
}
