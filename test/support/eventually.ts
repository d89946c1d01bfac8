/** Waits until `condition` returns something truthy, and returns it; throws after `deadline` ms with its last error. */
export async function eventually<T>(
  condition: () => T | Promise<T>,
  { deadline = 10_000, what = 'the condition' }: { deadline?: number; what?: string } = {},
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
    if (performance.now() > end) throw new Error(`Waited ${deadline} ms in vain for ${what}`, { cause: failure })
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
