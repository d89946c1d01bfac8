/** A process that works at a queue until SIGTERM, and prints what it has done: for tests that kill it. */
import process from 'node:process'
import * as z from 'zod'
import { consume } from '../../sdk/consumer.ts'
import { defineEvents } from '../../sdk/index.ts'
import { nats } from '../../sdk/nats.ts'

const [url = ''] = process.argv.slice(2)
const events = defineEvents({ 'jobs.{id}': z.object({ n: z.number() }) }, { stream: 'JOBS' })
const transport = nats({ url })
const worker = consume(
  events,
  transport,
  'jobs.{id}',
  async (e) => {
    await new Promise((resolve) => setTimeout(resolve, 5))
    process.stdout.write(`${e.data.n}\n`)
  },
  { consumer: 'workers', concurrency: 4, ackWait: 1_000 },
)
process.once('SIGTERM', async () => {
  await worker.drain()
  await transport.close()
})
