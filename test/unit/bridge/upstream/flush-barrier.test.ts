import { describe, expect, it } from 'vitest'
import { Barrier } from '../../../../bridge/upstream/flush-barrier.ts'

function scripted() {
  const trips: Array<PromiseWithResolvers<void>> = []
  const barrier = new Barrier(() => {
    const trip = Promise.withResolvers<void>()
    trips.push(trip)
    return trip.promise
  })
  return { barrier, trips }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('Barrier', () => {
  it('shares one round trip among everybody who asks at once', async () => {
    const { barrier, trips } = scripted()
    const marks = [barrier.mark(), barrier.mark(), barrier.mark()]
    const all = Promise.all(marks.map((mark) => barrier.confirm(mark)))
    await turn()
    expect(trips).toHaveLength(1)
    trips[0]?.resolve()
    await all
    expect(barrier.confirm(marks[2] as number)).toBeUndefined()
  })

  it('makes whoever asks during a round trip wait for the next', async () => {
    const { barrier, trips } = scripted()
    const first = barrier.confirm(barrier.mark())
    await turn()
    let done = false
    const second = barrier.confirm(barrier.mark())?.then(() => {
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

  it('lets everybody go when the broker is lost, and confirms nothing', async () => {
    const { barrier, trips } = scripted()
    const mark = barrier.mark()
    const waiting = barrier.confirm(mark)
    await turn()
    trips[0]?.reject(new Error('gone'))
    await waiting
    expect(barrier.confirm(mark)).toBeDefined()
  })
})
