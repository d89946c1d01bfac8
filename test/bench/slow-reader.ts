/**
 * One subscriber that stops reading, beside 200 that read: `node test/bench/slow-reader.ts`. Their p99 latency beside it by
 * their calm one, in the same run; median of five. It is told and closed, and the others lose nothing.
 */
import { startLoad } from './load.ts'
import { encodeBenchMessage } from './message.ts'
import { subscribe } from './protocols.ts'
import { SYSTEMS } from './systems.ts'

const RUNS = 5
const READERS = 200
const PER_SECOND = 300
const SECONDS = 6
/** 8 MiB are left unread within a run. */
const SIZE = 8_000

const ratios: number[] = []
for (let run = 1; run <= RUNS; run++) {
  const [calm, beside] = [await p99(false), await p99(true)]
  ratios.push(beside / calm)
  console.log(`run ${run}: p99 calm ${calm.toFixed(1)} ms, beside a slow reader ${beside.toFixed(1)} ms`)
}
console.log(`p99 by calm p99, median of ${RUNS}: ${ratios.sort((a, b) => a - b)[RUNS >> 1]?.toFixed(2)}`)
process.exit(0)

async function p99(hasSlowReader: boolean): Promise<number> {
  const start = SYSTEMS['Spanwire on Node']
  if (!start) throw new Error('It has another name now.')
  await using system = await start()
  const clients = Array<string[]>(READERS).fill(['bench'])
  const load = await startLoad({ url: system.url, protocol: 'nats', clients, contiguous: true }, 2)
  let isClosed = false
  if (hasSlowReader) {
    // With payloads that only it gets: the others' load is the same in both.
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
  if (wrong > 0) throw new Error(`${wrong} messages were lost, came twice or out of order.`)
  // A paused socket hears of its end by the host's patience, or when it is asked.
  if (hasSlowReader) console.log(`  the slow reader ${isClosed ? 'was closed' : 'has not heard of its end yet'}`)
  return (ages[Math.floor(ages.length * 0.99)] ?? Number.NaN) / 1_000
}
