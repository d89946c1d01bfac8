import { expect, it } from 'vitest'
import { seed } from '../support/seed.ts'
import { runCluster } from './cluster-chaos.ts'
import { toTable } from './cluster-report.ts'

/** Losses of NATS servers are part of chaos.test.ts, and of `run.ts --cluster`. */
const kinds = ['bridge killed', 'bridge drained', 'bridge added', 'user disconnected'] as const

it('four bridges are killed, drained and added: no streamed event is lost, doubled or out of order', async () => {
  console.log(`SPANWIRE_SEED=${seed}`)
  const report = await runCluster({ seed, seconds: 10, clients: 150, processes: 1, kinds })
  console.log(toTable(report))
  expect(report.rows.map(({ kind }) => kind).sort()).toEqual(kinds.toSorted())
  expect(report.streamed).toEqual({ lost: 0, doubled: 0, disordered: 0 })
  expect(report).toMatchObject({ notStoredOnce: 0, conflicts: 0, rejected: {}, errors: {} })
  // Every client has received every stored event, and every member is present once.
  expect(report.received).toBe(report.clients * report.stored)
  expect(report.exact).toBe(report.members)
  // Events without a stream may be lost, and are never repeated.
  expect(report.rows.map(({ live }) => live.doubled + live.disordered)).toEqual(kinds.map(() => 0))
  expect(report.live).toBeGreaterThan(0)
}, 180_000)
