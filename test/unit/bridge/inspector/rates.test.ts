import { expect, it } from 'vitest'
import { formatBytes, formatDuration, formatInstant, formatRate } from '../../../../bridge/inspector/format.ts'
import { computeRates } from '../../../../bridge/inspector/rates.ts'

const sample = (time: number, connections: number, count: number) => ({
  ...{ time, connections, subscriptions: 0 },
  ...{ inMessages: count, outMessages: 10 * count, inBytes: 0, outBytes: 0 },
})

it('rates of hubs are added up by time', () => {
  const responses = [
    { hub: 'hub-1', body: { now: '', samples: [sample(1_000, 1, 0), sample(11_000, 2, 50), sample(21_000, 3, 60)] } },
    // It restarted, and has one sample less.
    { hub: 'hub-2', body: { now: '', samples: [sample(13_000, 5, 100), sample(23_000, 6, 200)] } },
    { hub: 'hub-3', body: { now: '', samples: [] } },
  ]
  expect(computeRates(responses)).toMatchObject({
    times: [10, 20],
    connections: [2, 9],
    inMessages: [5, 11],
    outMessages: [50, 110],
  })
})

it('numbers have units', () => {
  expect([formatBytes(999), formatBytes(1_500), formatBytes(2e9)]).toEqual(['999 B', '1.5 kB', '2 GB'])
  expect([formatRate(0.25), formatRate(1_234.5)]).toEqual(['0.3', '1,235'])
  expect([59_000, 61_000, 3_700_000, 90_000_000, -5].map(formatDuration)).toEqual([
    ...['59 s', '1 min 1 s', '1 h 1 min', '1 d 1 h', '0 s'],
  ])
  expect(formatInstant(1_005)).toMatch(/:01\.005$/)
})
