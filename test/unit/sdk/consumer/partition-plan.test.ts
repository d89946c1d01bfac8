import fc from 'fast-check'
import { expect, it } from 'vitest'
import { dividePartitions } from '../../../../sdk/consumer/partition-plan.ts'

const ids = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,3}$/), { minLength: 1, maxLength: 8 })
const counts = fc.integer({ min: 2, max: 40 })
const sizes = (shares: Map<string, number[]>) => [...shares.values()].map(({ length }) => length)

it('gives each partition to one member, in equal numbers, from any holdings', () => {
  const holdings = fc.dictionary(
    fc.stringMatching(/^[a-z]{1,3}$/),
    fc.array(fc.oneof(fc.integer({ min: -2, max: 45 }), fc.double())),
    { minKeys: 1, maxKeys: 8 },
  )
  fc.assert(
    fc.property(holdings, counts, (given, count) => {
      const shares = dividePartitions(new Map(Object.entries(given)), count)
      expect([...shares.values()].flat().sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, one) => one))
      expect(Math.max(...sizes(shares)) - Math.min(...sizes(shares))).toBeLessThanOrEqual(1)
      // Once it is in effect, nothing moves.
      expect(dividePartitions(shares, count)).toEqual(shares)
      // The order in which members are known makes no difference.
      expect(dividePartitions(new Map(Object.entries(given).reverse()), count)).toEqual(shares)
    }),
  )
})

it('moves only the share of a member that joins or leaves', () => {
  fc.assert(
    fc.property(ids, counts, fc.nat(), (names, count, pick) => {
      const before = dividePartitions(new Map(names.map((id) => [id, []])), count)
      const joined = dividePartitions(new Map([...before, ['new', []]]), count)
      const moved = (from: Map<string, number[]>, to: Map<string, number[]>, id: string) =>
        (from.get(id) ?? []).filter((one) => !to.get(id)?.includes(one)).length
      const taken = names.reduce((sum, id) => sum + moved(before, joined, id), 0)
      expect(taken).toBe(joined.get('new')?.length)
      const gone = names[pick % names.length] as string
      if (names.length === 1) return
      const rest = new Map([...before].filter(([id]) => id !== gone))
      const left = dividePartitions(rest, count)
      for (const id of rest.keys()) expect(moved(rest, left, id)).toBe(0)
    }),
  )
})
