import { describe, expect, it } from 'vitest'
import { FlushBarrier } from '../../../../bridge/upstream/shared-upstream.ts'

function scripted() {
  const trips: Array<PromiseWithResolvers<void>> = []
  const barrier = new FlushBarrier(() => {
    const trip = Promise.withResolvers<void>()
    trips.push(trip)
    return trip.promise
  })
  return { barrier, trips }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('FlushBarrier', () => {
  it('shares one round trip among operations that are registered together', async () => {
    const { barrier, trips } = scripted()
    const operations = [barrier.register(), barrier.register(), barrier.register()]
    const all = Promise.all(operations.map((operation) => barrier.confirm(operation)))
    await turn()
    expect(trips).toHaveLength(1)
    trips[0]?.resolve()
    await all
    expect(barrier.confirm(operations[2] as number)).toBeUndefined()
  })

  it('confirms an operation that is registered during a round trip with the next one', async () => {
    const { barrier, trips } = scripted()
    const first = barrier.confirm(barrier.register())
    await turn()
    let done = false
    const second = barrier.confirm(barrier.register())?.then(() => {
      done = true
    })
    trips[0]?.resolve()
    await first
    await turn()
    expect(done).toBe(false)
    expect(trips).toHaveLength(2)
    trips[1]?.resolve()
    await second
    expect(done).toBe(true)
  })

  it('resolves when the broker is lost, and confirms nothing', async () => {
    const { barrier, trips } = scripted()
    const operation = barrier.register()
    const confirmed = barrier.confirm(operation)
    await turn()
    trips[0]?.reject(new Error('lost'))
    await confirmed
    expect(barrier.confirm(operation)).toBeDefined()
  })
})
