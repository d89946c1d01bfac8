import { setTimeout as wait } from 'node:timers/promises'

/** Waits until `check` is true, or rejects after `deadline` ms. An error of `check` counts as false. */
export async function until(check: () => Promise<boolean>, deadline: number, what: string): Promise<void> {
  const end = performance.now() + deadline
  while (!(await check().catch(() => false))) {
    if (performance.now() > end) throw new Error(`${what} took longer than ${deadline / 1000} s`)
    await wait(50)
  }
}
