/** Follows outages of the connection, and counts the events that arrived after each of them. Times are in ms. */
export class OutageLog {
  #wasOpen = false
  #downSince: number | undefined
  #lasted: number | undefined
  #late = 0
  #lost = 0

  /** Takes the state of the connection. */
  status(isOpen: boolean, now: number): void {
    if (isOpen) {
      if (this.#downSince !== undefined) this.#lasted = now - this.#downSince
      this.#downSince = undefined
      this.#wasOpen = true
    } else if (this.#wasOpen && this.#downSince === undefined) {
      this.#downSince = now
      this.#lasted = undefined
      this.#late = 0
      this.#lost = 0
    }
  }

  /** Counts an event that was published during the outage. */
  late(): void {
    this.#late++
  }

  /** Counts events that the stream had removed before the connection was back. */
  lost(events: number): void {
    this.#lost += events
  }

  get isDown(): boolean {
    return this.#downSince !== undefined
  }

  /** The outcome of the last outage. Undefined before the first one, and during one. */
  get outcome(): string | undefined {
    if (this.#lasted === undefined) return undefined
    const back = `Back after ${(this.#lasted / 1_000).toFixed(1)} s.`
    const late = this.#late === 0 ? '' : ` ${count(this.#late)} arrived late.`
    return `${back}${late} ${this.#lost === 0 ? 'None is missing.' : `The stream had removed ${count(this.#lost)}.`}`
  }
}

function count(flights: number): string {
  return flights === 1 ? '1 flight' : `${flights.toLocaleString('en')} flights`
}
