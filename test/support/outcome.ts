/** What failed, and what it said. */
export interface Failure {
  readonly where: string
  readonly text: string
}

/** What came of a run of tests. */
export interface Outcome {
  readonly passed: number
  readonly skipped: number
  /** Tests, files that can't be loaded, and errors that no test caught. */
  readonly failures: readonly Failure[]
}

/** Both runs as one. */
export function addOutcomes(one: Outcome, other: Outcome): Outcome {
  return {
    passed: one.passed + other.passed,
    skipped: one.skipped + other.skipped,
    failures: [...one.failures, ...other.failures],
  }
}

/** Such as `512 passed, 0 failed, 3 skipped`; what failed stands above it, since who reads a log sees its end. */
export function closingText({ passed, failures, skipped }: Outcome): string {
  const failed = failures.map(({ where, text }) => `Failed: ${where}\n${text.replaceAll(/^/gm, '  ')}\n`)
  return [...failed, `${passed} passed, ${failures.length} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`].join(
    '\n',
  )
}
