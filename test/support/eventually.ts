/**
 * Waits until `condition` returns a truthy value and returns that. Throws after `deadline` ms, with its last error.
 * `interval`, in ms, is the time between two checks: longer for a check that costs time of the servers under test.
 */
export async function eventually<T>(
  condition: () => T | Promise<T>,
  {
    deadline = 20_000,
    interval = 10,
    what = 'the condition',
  }: { deadline?: number; interval?: number; what?: string } = {},
): Promise<NonNullable<T>> {
  const end = performance.now() + deadline
  let failure: unknown
  for (;;) {
    try {
      const value = await condition()
      if (value) return value
      failure = undefined
    } catch (error) {
      failure = error
    }
    if (performance.now() > end)
      throw new Error(`Timed out after ${deadline} ms waiting for ${what}`, { cause: failure })
    await new Promise((resolve) => setTimeout(resolve, interval))
  }
}
