/** How long a store may take for an operation, in ms: browsers have databases that never open and locks never granted. */
const PATIENCE = 3_000

/** Operations of a store, which is left alone for as long as one of them doesn't end. */
export interface Patience {
  /**
   * Resolves with the result of an operation, or with undefined if it takes too long, fails, or isn't begun.
   * @param late called with a result that came too late
   */
  run<T>(operation: () => Promise<T>, late?: (result: T) => void): Promise<T | undefined>
}

/** @param failed called when an operation fails or takes too long */
export function createPatience(failed: (cause: unknown) => void): Patience {
  /** An operation that takes too long. */
  let stuck: Promise<unknown> | undefined

  async function run<T>(operation: () => Promise<T>, late: (result: T) => void = () => {}): Promise<T | undefined> {
    if (stuck) return undefined
    const outcome = operation().catch((cause): undefined => {
      failed(cause)
    })
    let timer: ReturnType<typeof setTimeout> | undefined
    const over = new Promise<typeof OVER>((resolve) => {
      timer = setTimeout(resolve, PATIENCE, OVER)
    })
    const first = await Promise.race([outcome, over])
    clearTimeout(timer)
    if (first !== OVER) return first
    failed(new Error(`The store takes more than ${PATIENCE} ms.`))
    stuck = outcome
    void outcome.then((result) => {
      if (stuck === outcome) stuck = undefined
      if (result !== undefined) late(result)
    })
    return undefined
  }
  return { run }
}

const OVER = Symbol('over')
