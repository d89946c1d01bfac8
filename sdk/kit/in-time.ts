import { MAX_TIMER } from './max-timer.ts'

/** Resolves like `work`. Rejects after `ms` ms if it has not settled. */
export async function inTime<T>(work: T | Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`It did not settle within ${ms} ms.`)), Math.min(ms, MAX_TIMER))
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
