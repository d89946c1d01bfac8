import { expect, it } from 'vitest'
import { runChaos } from './chaos.ts'
import { compare } from './compare.ts'

it('sees what is lost, repeated or out of order', () => {
  const expected = [1, 2, 3, 5]
  expect(compare(expected, expected)).toEqual({ lost: [], duplicated: [], ordered: true })
  expect(compare(expected, [1, 2, 5])).toMatchObject({ lost: [3] })
  expect(compare(expected, [1, 2, 2, 3, 5])).toMatchObject({ duplicated: [2] })
  expect(compare(expected, [1, 3, 2, 5])).toMatchObject({ lost: [], duplicated: [], ordered: false })
})

it('loses, repeats and reorders nothing while clients, bridge and stream leader fail', async () => {
  const seed = Number(process.env.CHAOS_SEED ?? Math.floor(Math.random() * 2 ** 31))
  console.log(`CHAOS_SEED=${seed}`)
  const report = await runChaos({ seed, seconds: 20 })
  console.log(report)
  expect(report.acknowledged).toBeGreaterThan(500)
  expect(Object.keys(report.faults)).toHaveLength(5)
  expect(report).toMatchObject({ lost: 0, duplicated: 0, disordered: 0, notStoredOnce: 0, gapsTold: 0 })
}, 300_000)
