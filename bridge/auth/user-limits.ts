import type { Limits } from './limits.ts'
import { OpenBatches } from './open-batches.ts'
import { RateMeter } from './rate-meter.ts'
import type { BatchPart } from './server-commands.ts'

/** Meters are dropped beyond this number, which bounds memory. A user gains one more burst at most. */
const MAX_METERS = 10_000

/** Limits of users over all of their connections at one hub, and over HTTP. Anonymous clients have no user. */
export class UserLimits {
  readonly #limits: Limits
  readonly #clock: () => number
  readonly #meters = new Map<string, RateMeter>()
  readonly #connections = new Map<string, number>()
  readonly #batches: OpenBatches

  constructor(limits: Limits, clock: () => number) {
    this.#limits = limits
    this.#clock = clock
    this.#batches = new OpenBatches(limits.maxBatchesPerUser)
  }

  /**
   * Counts a message of an atomic batch. Returns whether it is within the limits.
   * @param share the user; for an anonymous client a name of its own
   */
  batch(share: string, part: BatchPart): boolean {
    return this.#batches.take(share, part, this.#clock())
  }

  /** Counts a connection of `user`. Returns whether it is within the limit. It is counted in any case. */
  connect(user: string): boolean {
    if (user === '') return true
    const count = (this.#connections.get(user) ?? 0) + 1
    this.#connections.set(user, count)
    return count <= this.#limits.maxConnectionsPerUser
  }

  /** A connection that was counted has ended. */
  disconnect(user: string): void {
    const count = (this.#connections.get(user) ?? 0) - 1
    if (count > 0) this.#connections.set(user, count)
    else this.#connections.delete(user)
  }

  /** Counts one publish of `bytes` towards the user's rate. Returns whether it is within the limit. */
  meter(user: string, bytes: number): boolean {
    return this.meterOf(user).take(bytes, this.#clock())
  }

  /** Meter of the user's rate. */
  meterOf(user: string): RateMeter {
    let meter = this.#meters.get(user)
    if (!meter) {
      if (this.#meters.size >= MAX_METERS) this.#meters.clear()
      meter = new RateMeter(this.#limits.publishRate, this.#clock())
      this.#meters.set(user, meter)
    }
    return meter
  }
}
