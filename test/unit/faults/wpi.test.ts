import { afterEach, expect, it, vi } from 'vitest'
import { holdDelivery } from '../../../sdk/consumer/acknowledgement.ts'
import { createMemoryTransport } from '../sdk/memory-transport.ts'

afterEach(() => void vi.useRealTimers())

it('a handler that is at work during an outage fills no queue with signs of life', async () => {
  vi.useFakeTimers()
  const transport = createMemoryTransport()
  const away = { ...transport, status: { state: 'reconnecting' as const } }
  holdDelivery(away, '$JS.ACK.S.C.1.1.1.1.1', 1_000)
  await vi.advanceTimersByTimeAsync(10 * 60_000)
  expect(transport.published.length).toBeLessThan(5)
})
