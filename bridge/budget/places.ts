/** How many places there are. */
export interface PlaceLimits {
  readonly user: number
  readonly hub: number
}

/** The last tenth of a hub's places is for users with less than a hundredth of them, so that other users can't take the last one. */
const RESERVED = 0.1
const FEW = 0.01

/** Places of one kind, such as subject filters or requests in progress, counted per user and for the hub. */
export class Places {
  readonly #limits: PlaceLimits
  readonly #byUser = new Map<string, number>()
  #used = 0

  constructor(limits: PlaceLimits) {
    this.#limits = limits
  }

  /** Places that are taken. */
  get used(): number {
    return this.#used
  }

  /** Whether one more is free for this user. */
  isFreeFor(user: string): boolean {
    const own = this.#byUser.get(user) ?? 0
    const { user: most, hub } = this.#limits
    if (own >= most || this.#used >= hub) return false
    return this.#used < hub * (1 - RESERVED) || own < hub * FEW
  }

  /** Takes a place if one is free. */
  take(user: string): boolean {
    if (!this.isFreeFor(user)) return false
    this.#byUser.set(user, (this.#byUser.get(user) ?? 0) + 1)
    this.#used++
    return true
  }

  /** Gives a place back. */
  give(user: string): void {
    const own = this.#byUser.get(user) ?? 0
    if (own === 0) return
    if (own === 1) this.#byUser.delete(user)
    else this.#byUser.set(user, own - 1)
    this.#used--
  }
}
