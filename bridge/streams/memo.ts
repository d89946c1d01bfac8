/** How long an answer is good for everybody, in ms. */
const TTL = 250

/** Questions that many ask at the same moment, asked once. */
export class Memo {
  readonly #answers = new Map<string, { readonly until: number; readonly answer: Promise<unknown> }>()

  get<T>(key: string, ask: () => Promise<T>): Promise<T> {
    const now = Date.now()
    const known = this.#answers.get(key)
    if (known && known.until > now) return known.answer as Promise<T>
    for (const [other, { until }] of this.#answers) if (until <= now) this.#answers.delete(other)
    const answer = ask()
    this.#answers.set(key, { until: now + TTL, answer })
    answer.catch(() => this.#answers.delete(key))
    return answer
  }

  clear(): void {
    this.#answers.clear()
  }
}
