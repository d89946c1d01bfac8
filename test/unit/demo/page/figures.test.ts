import { describe, expect, it } from 'vitest'
import { Figures } from '../../../../demo/page/figures.ts'

/** Time after the first second of live events, in ms. */
const SETTLED = 1_000

/** Counters whose first live event arrived at 0. */
function settled(): Figures {
  const figures = new Figures(0)
  figures.add(9_999, 0)
  return figures
}

describe('the counters', () => {
  it('count events per second over whole seconds', () => {
    const figures = new Figures(10_000)
    for (let ms = 10_000; ms < 14_000; ms += 100) figures.add(1, ms)
    expect(figures.received).toBe(40)
    expect(figures.rate(14_000)).toBe(10)
    figures.tick(19_500)
    expect(figures.rate(19_500)).toBe(0)
  })

  it('drop seconds outside of the window, even after a long sleep', () => {
    const figures = new Figures(0)
    figures.add(1, 0)
    figures.tick(3_600_000)
    expect(figures.perSecond.reduce((sum, count) => sum + count)).toBe(0)
    expect(figures.perSecond).toHaveLength(61)
  })

  it('return percentiles of the latest samples, and none before the first', () => {
    const figures = settled()
    expect(figures.percentile(0.5)).toBeUndefined()
    for (let latency = 1; latency <= 1_000; latency++) figures.add(latency, SETTLED)
    expect(figures.samples).toBe(500)
    expect(figures.percentile(0.5)).toBe(750)
    expect(figures.percentile(0.99)).toBe(995)
    expect(figures.percentile(1)).toBe(1_000)
  })

  it('count no latency if the clock of the publisher is ahead', () => {
    const figures = settled()
    figures.add(-40, SETTLED)
    expect(figures.percentile(0.5)).toBe(0)
  })

  it('restart with a filter, and keep the total', () => {
    const figures = new Figures(0)
    figures.add(5, 1)
    figures.restart()
    expect(figures).toMatchObject({ received: 1, matched: 0, samples: 0 })
  })

  it('measure no latency in the first second, after a change of the filter, and after an outage', () => {
    const figures = settled()
    figures.add(500, SETTLED - 1)
    expect(figures.samples).toBe(0)
    figures.add(5, SETTLED)
    expect(figures.samples).toBe(1)
    figures.settle()
    figures.add(700, SETTLED + 1)
    expect(figures.percentile(1)).toBe(5)
    figures.add(6, 2 * SETTLED + 1)
    expect(figures.percentile(1)).toBe(6)
  })

  it('count events of the past that fill the page without a rate and a latency', () => {
    const figures = new Figures(0)
    for (let i = 0; i < 100; i++) figures.fill()
    expect(figures).toMatchObject({ received: 100, matched: 100, samples: 0 })
    expect(figures.rate(5_000)).toBe(0)
  })
})
