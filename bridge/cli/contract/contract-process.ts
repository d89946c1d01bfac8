/**
 * Run in a process of its own: prints the contract that its argument names as one line of JSON. A process that has loaded
 * a module keeps it, and everything that it imports, for ever: a contract that changes is read by a new one.
 */
import process from 'node:process'
import { isSpanwireError } from '../../../sdk/wire/errors.ts'
import { describeContract } from './event-description.ts'
import { loadContract } from './load-contract.ts'

let answer: object
try {
  answer = { events: describeContract(await loadContract(process.argv[2] ?? '')) }
} catch (error) {
  if (!isSpanwireError(error)) throw error
  answer = { problem: error.message }
}
// The contract's module may also print: the last line is the answer.
process.stdout.write(`\n${JSON.stringify(answer)}\n`, () => process.exit(0))
