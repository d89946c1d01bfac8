import { expect, it } from 'vitest'
import { seed } from '../support/seed.ts'
import { runChaos } from './chaos.ts'
import { compare, type Stored } from './compare.ts'

it('compare reports lost, repeated, unexpected and unordered events', () => {
  const all = [1, 2, 3, 5].map((seq) => ({ seq, n: seq * 10 }))
  const [one, two, three, five] = all as [Stored, Stored, Stored, Stored]
  const fine = { lost: [], duplicated: [], unexpected: [], ordered: true }
  expect(compare(all, all)).toEqual(fine)
  expect(compare(all, [one, two, five])).toEqual({ ...fine, lost: [three] })
  expect(compare(all, [one, two, two, three, five])).toEqual({ ...fine, duplicated: [two], ordered: false })
  expect(compare(all, [one, three, two, five])).toEqual({ ...fine, ordered: false })
  expect(compare(all, [...all, { seq: 6, n: 60 }])).toEqual({ ...fine, unexpected: [{ seq: 6, n: 60 }] })
  const other = { seq: 3, n: 31 }
  expect(compare(all, [one, two, other, five])).toEqual({ ...fine, lost: [three], unexpected: [other] })
})

it.each(['node', 'workerd'] as const)(
  'loses, repeats and reorders nothing while clients, a bridge on %s and the stream leader fail',
  async (host) => {
    console.log(`SPANWIRE_SEED=${seed}`)
    const report = await runChaos({ seed, seconds: 20, host })
    console.log(report)
    expect(report.rejected).toEqual({})
    expect(report.acknowledged).toBeGreaterThan(500)
    expect(Object.keys(report.faults)).toHaveLength(6)
    const none = { lost: 0, duplicated: 0, unexpected: 0, disordered: 0, notStoredOnce: 0, gapsTold: 0 }
    expect(report).toMatchObject(none)
  },
  300_000,
)
