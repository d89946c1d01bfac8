/**
 * A consumer of a work queue until SIGTERM, for tests that kill it:
 * `queue-worker.ts <url> <log> [<param> [<partitions> [<ms> <ackWait>]]]`. Handlers take 5 ms by default.
 *
 * Appends the start and the end of each event to the log, as `begun <id> <n> <pid> <ms>`, and `stalled 0 0 <pid> <ms>`
 * when its event loop did not run for a third of `ackWait`. Appends of several processes are atomic. Prints a line when
 * it handles SIGTERM.
 */
import { appendFileSync } from 'node:fs'
import process from 'node:process'
import * as z from 'zod'
import { consume } from '../../sdk/consumer/index.ts'
import { defineEvents } from '../../sdk/index.ts'
import { nats } from '../../sdk/transport/nats/index.ts'

const CHECK = 100

const [url = '', log = '', ordered, partitions, ms = '5', wait = '1500'] = process.argv.slice(2)
const ackWait = Number(wait)
const events = defineEvents({ 'jobs.{id}': z.object({ n: z.number() }) }, { stream: 'JOBS' })
const transport = nats({ url })
const write = (word: string, id: string | undefined, n: number) =>
  appendFileSync(log, `${word} ${id} ${n} ${process.pid} ${Math.round(performance.timeOrigin + performance.now())}\n`)
const worker = consume(
  { events, connection: transport },
  'jobs.{id}',
  async (e) => {
    write('begun', e.params.id, e.data.n)
    await new Promise((resolve) => setTimeout(resolve, Number(ms)))
    write('done', e.params.id, e.data.n)
  },
  {
    consumer: 'workers',
    concurrency: 4,
    ackWait,
    ...(ordered === 'id' && { ordered }),
    ...(partitions !== undefined && { partitions: Number(partitions) }),
  },
)
let checkedAt = performance.now()
const check = setInterval(() => {
  const now = performance.now()
  if (now - checkedAt > ackWait / 3) write('stalled', '0', 0)
  checkedAt = now
}, CHECK)
process.once('SIGTERM', async () => {
  await worker.drain()
  clearInterval(check)
  await transport.close()
})
console.log('works')
