import { describe, expect, it } from 'vitest'
import { Flow } from '../../../../bridge/delivery/flow-control.ts'

describe('Flow', () => {
  it('counts as confirmed what was sent before the answered PING, and no more', () => {
    const flow = new Flow()
    flow.sent(100)
    flow.pinged()
    flow.sent(10)
    flow.ponged()
    expect(flow.unconfirmed).toBe(10)
  })

  it('answers PINGs in order', () => {
    const flow = new Flow()
    flow.sent(1)
    flow.pinged()
    flow.sent(2)
    flow.pinged()
    expect(flow.unansweredPings).toBe(2)
    flow.ponged()
    expect(flow.unconfirmed).toBe(2)
    flow.ponged()
    expect(flow.unconfirmed).toBe(0)
  })

  it('gets nothing confirmed by a PONG that nobody asked for', () => {
    const flow = new Flow()
    flow.sent(5)
    flow.ponged()
    expect(flow.unconfirmed).toBe(5)
  })
})
