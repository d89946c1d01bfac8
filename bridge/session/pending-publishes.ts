import type { Violation } from '../contract/violation.ts'
import type { Outcome } from './refusal.ts'

/** Publishes of one client that are checked at the same time. */
const MAX_CHECKS = 32
/** Their header blocks and payloads, in bytes. */
const MAX_BYTES = 1024 * 1024
/** Memory of a publish in addition to its bytes. */
const OVERHEAD = 1_000

/** A publish that waits for the decision of an asynchronous schema or of the application. */
export interface PendingPublish {
  readonly verdict: Promise<Violation | undefined>
  /** Header block and payload, in bytes. */
  readonly bytes: number
  /** Publishes, or refuses. */
  readonly conclude: (violation: Violation | undefined) => Outcome
}

/** A publish, and its outcome once it is known. */
interface Entry {
  readonly bytes: number
  outcome: (() => Outcome) | undefined
}

/** Services that {@link PendingPublishes} uses. */
export interface PendingServices {
  /** Called with the outcome of each publish, in their order. */
  concluded(outcome: Outcome): void
  /** Called when none is left. */
  drained(): void
  memoryChanged(): void
}

/** Publishes that are checked at the same time, and concluded in their order. */
export class PendingPublishes {
  readonly #services: PendingServices
  #entries: Entry[] = []
  /** Approximate memory of all, in bytes. */
  memory = 0

  constructor(services: PendingServices) {
    this.#services = services
  }

  get size(): number {
    return this.#entries.length
  }

  /** Whether no more may be added now. */
  get isFull(): boolean {
    return this.size >= MAX_CHECKS || this.memory >= MAX_BYTES
  }

  add({ verdict, bytes, conclude }: PendingPublish): void {
    const entry = this.#add(bytes, undefined)
    void verdict.then((violation) => {
      entry.outcome = () => conclude(violation)
      if (this.#entries[0] === entry) this.#conclude()
    })
  }

  /** Adds a publish whose outcome is known. It follows the earlier ones. */
  addConcluded(outcome: Outcome): void {
    this.#add(0, () => outcome)
  }

  /** Drops all: the connection has ended. */
  clear(): void {
    this.#entries = []
    this.#hold(-this.memory)
  }

  #add(bytes: number, outcome: Entry['outcome']): Entry {
    const entry: Entry = { bytes: bytes + OVERHEAD, outcome }
    this.#entries.push(entry)
    this.#hold(entry.bytes)
    return entry
  }

  #conclude(): void {
    for (let [first] = this.#entries; first?.outcome; [first] = this.#entries) {
      this.#entries.shift()
      this.#hold(-first.bytes)
      this.#services.concluded(first.outcome())
    }
    if (this.#entries.length === 0) this.#services.drained()
  }

  #hold(bytes: number): void {
    this.memory += bytes
    this.#services.memoryChanged()
  }
}
