/** Bytes of each user in memory that all users share, such as a buffer. */
export class UserBytes {
  /** Share of one user, in bytes. */
  readonly max: number
  readonly #byUser = new Map<string, number>()

  constructor(max: number) {
    this.max = max
  }

  /** Adds bytes of a user. Returns false, and adds none, if they are more than its share. */
  add(user: string, bytes: number): boolean {
    const sum = (this.#byUser.get(user) ?? 0) + bytes
    if (sum > this.max) return false
    this.#byUser.set(user, sum)
    return true
  }

  clear(): void {
    this.#byUser.clear()
  }
}
