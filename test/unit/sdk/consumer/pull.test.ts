import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Pull } from '../../../../sdk/consumer/pull.ts'
import { JetStreamApi } from '../../../../sdk/jetstream/api.ts'
import type { Transport } from '../../../../sdk/transport/transport.ts'
import { transportLink } from '../../../../sdk/transport/transport-link.ts'
import { SpanwireError } from '../../../../sdk/wire/errors.ts'
import { HERD, largestShare, seededRandom } from '../herd.ts'
import { createMemoryTransport } from '../memory-transport.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

it('1,000 consumers whose pulls failed together pull again at different times', async () => {
  vi.spyOn(Math, 'random').mockImplementation(seededRandom(4))
  const target = { stream: 'S', consumer: 'w' }
  const handler = { room: () => 1, message() {}, pinned() {}, unpinned() {}, ended() {} }
  const consumers = Array.from({ length: HERD }, () => {
    const times: number[] = []
    const transport: Transport = {
      ...createMemoryTransport(),
      publish() {
        times.push(Date.now())
        return Promise.reject(new SpanwireError('upstream-unavailable', 'NATS is unavailable.'))
      },
      request: async (subject) => ({ subject, payload: new TextEncoder().encode('{"config":{}}'), time: 0 }),
    }
    const pull = new Pull(transport, new JetStreamApi(transportLink(transport)), target, handler)
    pull.fill()
    return { pull, times }
  })
  await vi.advanceTimersByTimeAsync(10_000)
  for (const retry of [1, 2, 3]) {
    const times = consumers.map(({ times }) => times[retry] as number)
    expect(largestShare(times, 10)).toBeLessThan(0.2)
  }
  for (const { pull } of consumers) void pull.stop()
  expect(vi.getTimerCount()).toBe(0)
})
