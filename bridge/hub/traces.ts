import type { AdminTarget } from './admin-channel.ts'

/** Targets of traces. The oldest is dropped beyond this number. */
const MAX_TRACES = 16

/** Connections and users whose operations are logged for a limited time. */
export class Traces {
  /** End of each trace in ms since 1970, oldest first. */
  readonly #until = new Map<string, number>()

  /** @param until in ms since 1970 */
  add({ user, connection }: AdminTarget, until: number): void {
    const key = user === undefined ? `connection ${connection}` : `user ${user}`
    this.#until.delete(key)
    this.#until.set(key, until)
    const [oldest] = this.#until.keys()
    if (this.#until.size > MAX_TRACES && oldest !== undefined) this.#until.delete(oldest)
  }

  /** The end of the trace of a connection. 0 if it is not traced. */
  untilOf(id: string, user: string): number {
    return Math.max(this.#until.get(`connection ${id}`) ?? 0, this.#until.get(`user ${user}`) ?? 0)
  }
}
