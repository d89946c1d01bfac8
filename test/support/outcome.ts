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
  /** Duration of each test file, in ms. */
  readonly durations: Readonly<Record<string, number>>
}

/** Number of files in the list of slow files. */
const SLOWEST = 20

/** Sums up two runs. */
export function addOutcomes(one: Outcome, other: Outcome): Outcome {
  return {
    passed: one.passed + other.passed,
    skipped: one.skipped + other.skipped,
    failures: [...one.failures, ...other.failures],
    durations: addDurations(one.durations, other.durations),
  }
}

/** Returns a list of the slowest test files, because the whole run has a time limit. */
export function slowFilesText({ durations }: Outcome): string {
  const total = Object.values(durations).reduce((sum, ms) => sum + ms, 0)
  const slowest = Object.entries(durations)
    .sort(([, a], [, b]) => b - a)
    .slice(0, SLOWEST)
  const lines = slowest.map(([file, ms]) => `${seconds(ms).padStart(6)}  ${file}`)
  return [`Slowest files, in seconds (all files: ${seconds(total)})`, ...lines].join('\n')
}

function addDurations(one: Outcome['durations'], other: Outcome['durations']): Outcome['durations'] {
  const sum = { ...one }
  for (const [file, ms] of Object.entries(other)) sum[file] = (sum[file] ?? 0) + ms
  return sum
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1)
}

/** Returns a line such as `512 passed, 0 failed, 3 skipped`, below the failures, which are then at the end of a log. */
export function closingText({ passed, failures, skipped }: Outcome): string {
  const failed = failures.map(({ where, text }) => `Failed: ${where}\n${text.replaceAll(/^/gm, '  ')}\n`)
  return [...failed, `${passed} passed, ${failures.length} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`].join(
    '\n',
  )
}
