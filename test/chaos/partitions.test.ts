import process from 'node:process'
import { expect, it } from 'vitest'
import { startNatsServer } from '../support/nats-server.ts'
import { seed } from '../support/seed.ts'
import { runPartitionChaos } from './partition-chaos.ts'
import { judge, parseLog } from './partition-log.ts'

it('judge reports lost, repeated and unordered events', () => {
  const good = ['begun a 1 7 10', 'done a 1 7 15', 'begun a 2 8 30', 'done a 2 8 36', 'begun b 1 7 40', 'done b 1 7 45']
  const options = {
    published: new Map([
      ['a', 2],
      ['b', 1],
    ]),
    killed: new Set<number>(),
    partitions: 1,
  }
  const judged = (lines: readonly string[], killed: readonly number[] = []) =>
    judge(parseLog(lines.join('\n')), { ...options, killed: new Map(killed.map((pid) => [pid, 20])) })
  const fine = { lost: 0, inversions: 0, repeated: 0, repeatedAfterCrash: 0 }
  const handover = { moves: 2, p50: 15, p99: 15 }
  expect(judged(good)).toEqual({ ...fine, handover, crash: { moves: 0, p50: 0, p99: 0 } })
  expect(judged(good, [7]).crash).toEqual({ moves: 1, p50: 15, p99: 15 })
  expect(judged(good.slice(0, 4))).toMatchObject({ ...fine, lost: 1 })
  expect(judged([...good.slice(2), ...good.slice(0, 2)])).toMatchObject({ ...fine, inversions: 1 })
  expect(judged([...good, 'begun a 2 7 50'])).toMatchObject({ ...fine, repeated: 1 })
  expect(judged([...good, 'begun a 2 7 50'], [8])).toMatchObject({ ...fine, repeatedAfterCrash: 1 })
  expect(judged([...good, 'stalled 0 0 8 49', 'begun a 2 7 50'])).toMatchObject({ ...fine, repeatedAfterCrash: 1 })
})

it('loses and reorders nothing in 16 partitions while processes are killed, drained and started', async (context) => {
  await using server = await startNatsServer({ jetstream: true })
  // test/integration/partitions.test.ts holds the refusal.
  if (Number(server.version.split('.')[1]) < 11) return context.skip('Partitions require nats-server 2.11.')
  console.log(`SPANWIRE_SEED=${seed}`)
  const report = await runPartitionChaos(server, { seed, seconds: Number(process.env.SPANWIRE_SECONDS ?? 20) })
  console.log(report)
  expect(report).toMatchObject({ lost: 0, inversions: 0, repeated: 0 })
  expect(report.handover.moves).toBeGreaterThan(0)
  expect(report.crash.moves).toBeGreaterThan(0)
}, 600_000)
