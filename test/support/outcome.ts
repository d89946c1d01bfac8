/** A failed test and its error. */
export interface Failure {
  readonly where: string
  readonly text: string
}

/** The outcome of a test run. */
export interface Outcome {
  readonly passed: number
  readonly skipped: number
  /** Failed tests, files that cannot be loaded, and errors outside of tests. */
  readonly failures: readonly Failure[]
}

/** Sums up two runs. */
export function addOutcomes(one: Outcome, other: Outcome): Outcome {
  return {
    passed: one.passed + other.passed,
    skipped: one.skipped + other.skipped,
    failures: [...one.failures, ...other.failures],
  }
}

/** Returns a line such as `512 passed, 0 failed, 3 skipped`, below the failures, which are then at the end of a log. */
export function closingText({ passed, failures, skipped }: Outcome): string {
  const failed = failures.map(({ where, text }) => `Failed: ${where}\n${text.replaceAll(/^/gm, '  ')}\n`)
  return [...failed, `${passed} passed, ${failures.length} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`].join(
    '\n',
  )
}
