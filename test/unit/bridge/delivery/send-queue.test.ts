import { describe, expect, it } from 'vitest'
import { FlowControl } from '../../../../bridge/delivery/send-queue.ts'

describe('FlowControl', () => {
  it('confirms the bytes before the answered PING', () => {
    const flow = new FlowControl()
    flow.sent(100)
    flow.pingSent()
    flow.sent(10)
    flow.pongReceived()
    expect(flow.unconfirmed).toBe(10)
  })

  it('matches PONGs to PINGs in order', () => {
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

  it('ignores a PONG without a PING', () => {
    const flow = new FlowControl()
    flow.sent(5)
    flow.pongReceived()
    expect(flow.unconfirmed).toBe(5)
  })
})
