/**
 * A consumer of a work queue until SIGTERM, for tests that kill it: `queue-worker.ts <url> <log> [<params>]`. Appends
 * the start and the end of each event to the log. Appends of several processes are atomic. Prints a line when it
 * handles SIGTERM.
 */
import { appendFileSync } from 'node:fs'
import process from 'node:process'
import * as z from 'zod'
import { consume } from '../../sdk/consumer/index.ts'
import { defineEvents } from '../../sdk/index.ts'
import { nats } from '../../sdk/transport/nats/index.ts'

const [url = '', log = '', ordered] = process.argv.slice(2)
const events = defineEvents({ 'jobs.{id}': z.object({ n: z.number() }) }, { stream: 'JOBS' })
const transport = nats({ url })
const worker = consume(
  { events, connection: transport },
  'jobs.{id}',
  async (e) => {
    appendFileSync(log, `begun ${e.params.id} ${e.data.n}\n`)
    await new Promise((resolve) => setTimeout(resolve, 5))
    appendFileSync(log, `done ${e.params.id} ${e.data.n}\n`)
  },
  { consumer: 'workers', concurrency: 4, ackWait: 1_000, ...(ordered === 'id' && { ordered }) },
)
process.once('SIGTERM', async () => {
  await worker.drain()
  await transport.close()
})
console.log('works')
