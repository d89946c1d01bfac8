import process from 'node:process'

/** Resolves when `condition` holds. The test ends this process if it never does. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** Returns a list of shown values, and a function that adds one. */
export function collect<T>(): { readonly seen: T[]; readonly show: (value: T) => void } {
  const seen: T[] = []
  return { seen, show: (value) => void seen.push(value) }
}

/**
 * Runs the steps of each piece with the module of each side. Prints the piece and the side of steps that have passed. The first
 * argument of the process selects a piece.
 */
export async function runPieces(
  sides: readonly string[],
  steps: Readonly<Record<string, (piece: never, side: never) => Promise<void>>>,
): Promise<void> {
  const only = process.argv[2]
  for (const [piece, run] of Object.entries(steps))
    for (const side of sides) {
      if (only !== undefined && only !== piece) continue
      await run((await import(`./${side}/${piece}.ts`)) as never, side as never)
      console.log(`${side}/${piece}`)
    }
}
