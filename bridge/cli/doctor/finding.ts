/** One line of `spanwire doctor`: a fact, a verdict, and a remedy. */
export interface Finding {
  /** The subject of the check, such as `WebSocket`. */
  readonly check: string
  readonly verdict: 'ok' | 'warn' | 'fail' | 'skip'
  readonly fact: string
  /** The remedy. Always set unless the verdict is `ok`. */
  readonly advice?: string
}

export const ok = (check: string, fact: string): Finding => ({ check, verdict: 'ok', fact })
export const warn = (check: string, fact: string, advice: string): Finding => ({ check, verdict: 'warn', fact, advice })
export const fail = (check: string, fact: string, advice: string): Finding => ({ check, verdict: 'fail', fact, advice })
export const skip = (check: string, fact: string, advice: string): Finding => ({ check, verdict: 'skip', fact, advice })
