import { describe, expect, it } from 'vitest'
import { FlowControl } from '../../../../bridge/delivery/send-queue.ts'

describe('Flow', () => {
  it('counts as confirmed what was sent before the answered PING, and no more', () => {
    const flow = new FlowControl()
    flow.sent(100)
    flow.pingSent()
    flow.sent(10)
    flow.pongReceived()
    expect(flow.unconfirmed).toBe(10)
  })

  it('answers PINGs in order', () => {
    const flow = new FlowControl()
    flow.sent(1)
    flow.pingSent()
    flow.sent(2)
    flow.pingSent()
    expect(flow.unansweredPings).toBe(2)
    flow.pongReceived()
    expect(flow.unconfirmed).toBe(2)
    flow.pongReceived()
    expect(flow.unconfirmed).toBe(0)
  })

  it('gets nothing confirmed by a PONG that nobody asked for', () => {
    const flow = new FlowControl()
    flow.sent(5)
    flow.pongReceived()
    expect(flow.unconfirmed).toBe(5)
  })
})
