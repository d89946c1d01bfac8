import { writeFile } from 'node:fs/promises'
import { relative } from 'node:path'
import process from 'node:process'
import type { Reporter, SerializedError, TestModule } from 'vitest/node'
import type { Failure, Outcome } from './outcome.ts'

/** Number of lines of an error that are repeated at the end. The log has the rest. */
const LINES = 20
/** A line of a stack trace that is not in the project. */
const FOREIGN = /^\s+at .*(node_modules|node:|<anonymous>)/

/** Writes the outcome of a run to the file that SPANWIRE_OUTCOME names. */
export default class OutcomeReporter implements Reporter {
  async onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): Promise<void> {
    const tests = modules.flatMap((module) => [...module.children.allTests()])
    const suites = modules.flatMap((module) => [module, ...module.children.allSuites()])
    const failures: Failure[] = [
      ...suites.flatMap((suite) => {
        const module = suite.type === 'module' ? suite : suite.module
        const where = suite.type === 'module' ? placeOf(module) : `${placeOf(module)} > ${suite.fullName}`
        return suite.errors().map((error) => ({ where, text: textOf(error) }))
      }),
      ...tests
        .filter((test) => test.result().state === 'failed')
        .map((test) => ({
          where: `${placeOf(test.module)} > ${test.fullName}`,
          text: (test.result().errors ?? []).map(textOf).join('\n'),
        })),
      ...unhandled.map((error) => ({ where: 'outside of a test', text: textOf(error) })),
    ]
    const outcome: Outcome = {
      passed: tests.filter((test) => test.result().state === 'passed').length,
      skipped: tests.filter((test) => test.result().state === 'skipped').length,
      failures,
      durations: Object.fromEntries(modules.map((module) => [placeOf(module), module.diagnostic().duration])),
    }
    await writeFile(process.env.SPANWIRE_OUTCOME ?? '', JSON.stringify(outcome))
  }
}

function placeOf(module: TestModule): string {
  return relative(process.cwd(), module.moduleId)
}

function textOf({ stack, message }: SerializedError): string {
  const lines = (stack ?? message).split('\n').filter((line) => !FOREIGN.test(line))
  return lines.slice(0, LINES).join('\n')
}
