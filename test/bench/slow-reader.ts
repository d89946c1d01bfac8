/**
 * One subscriber that stops reading, next to 200 that read: `node test/bench/slow-reader.ts`. Prints the p99 latency of
 * the 200 divided by their p99 without the slow reader, in the same run, as the median of five. The slow reader must be
 * closed with an error, and the others must receive every message.
 */
import { startLoad } from './load.ts'
import { encodeBenchMessage } from './message.ts'
import { subscribe } from './protocols.ts'
import { SYSTEMS } from './systems.ts'

const RUNS = 5
const READERS = 200
const PER_SECOND = 300
const SECONDS = 6
/** Leaves 8 MiB unread in each run. */
const SIZE = 8_000

const ratios: number[] = []
for (let run = 1; run <= RUNS; run++) {
  const [calm, beside] = [await p99(false), await p99(true)]
  ratios.push(beside / calm)
  console.log(`run ${run}: p99 calm ${calm.toFixed(1)} ms, next to a slow reader ${beside.toFixed(1)} ms`)
}
console.log(`p99 by calm p99, median of ${RUNS}: ${ratios.sort((a, b) => a - b)[RUNS >> 1]?.toFixed(2)}`)
process.exit(0)

async function p99(hasSlowReader: boolean): Promise<number> {
  const start = SYSTEMS['Spanwire on Node']
  if (!start) throw new Error('systems.ts has no "Spanwire on Node".')
  await using system = await start()
  const clients = Array<string[]>(READERS).fill(['bench'])
  const load = await startLoad({ url: system.url, protocol: 'nats', clients, contiguous: true }, 2)
  let isClosed = false
  if (hasSlowReader) {
    // Only the slow reader receives these payloads, so the load of the others is the same in both runs.
    const slow = await subscribe(system.url, 'nats', ['bench', 'large'])
    slow.on('close', () => {
      isClosed = true
    })
    slow.on('error', () => {})
    slow.pause()
  }
  const large = 'x'.repeat(SIZE)
  const began = performance.now()
  for (let sent = 0; sent < PER_SECOND * SECONDS; ) {
    const due = Math.floor(((performance.now() - began) / 1_000) * PER_SECOND) + 1
    while (sent < Math.min(due, PER_SECOND * SECONDS)) {
      system.publish('bench', encodeBenchMessage(++sent))
      system.publish('large', large)
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await load.untilAll(PER_SECOND * SECONDS * READERS)
  const { ages, wrong } = await load.result()
  load.stop()
  if (wrong > 0) throw new Error(`${wrong} messages were lost, repeated or out of order.`)
  // A paused socket detects its end after the closing time of the host, or at the next read.
  if (hasSlowReader) console.log(`  the slow reader ${isClosed ? 'was closed' : 'has not detected its end yet'}`)
  return (ages[Math.floor(ages.length * 0.99)] ?? Number.NaN) / 1_000
}
