/** How long an answer is good for everybody, in ms. */
const TTL = 250

/** Questions that many ask at the same moment, asked once. */
export class Memo {
  readonly #answers = new Map<string, { readonly until: number; readonly answer: Promise<unknown> }>()

  #sweeping: ReturnType<typeof setTimeout> | undefined

  get<T>(key: string, ask: () => Promise<T>): Promise<T> {
    const now = Date.now()
    const known = this.#answers.get(key)
    if (known && known.until > now) return known.answer as Promise<T>
    const answer = ask()
    this.#answers.set(key, { until: now + TTL, answer })
    answer.catch(() => this.#answers.delete(key))
    // It may be a snapshot of some MiB, and nobody may ask again.
    this.#sweeping ??= setTimeout(() => this.#sweep(), 2 * TTL)
    return answer
  }

  #sweep(): void {
    const now = Date.now()
    for (const [key, { until }] of this.#answers) if (until <= now) this.#answers.delete(key)
    this.#sweeping = this.#answers.size > 0 ? setTimeout(() => this.#sweep(), 2 * TTL) : undefined
  }

  clear(): void {
    this.#answers.clear()
  }
}
