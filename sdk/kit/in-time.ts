import { MAX_TIMER } from './max-timer.ts'

/** Resolves like `work`. Rejects after `ms` ms if it has not settled, with an error that names `what`. */
export async function inTime<T>(work: T | Promise<T>, ms: number, what = 'It'): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not settle within ${ms} ms.`)), Math.min(ms, MAX_TIMER))
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
