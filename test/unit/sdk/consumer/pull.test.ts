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

it('ignores a status for an earlier pin, and a lost request is repeated although its pin is renewed', async () => {
  const transport = createMemoryTransport()
  const query = vi.fn(async (subject: string) => ({ subject, payload: encode('{"config":{}}'), time: 0 }))
  const own: Transport = { ...transport, request: query }
  const handler = { room: () => 2, message() {}, pinned: vi.fn(), unpinned: vi.fn(), ended() {} }
  const target = { stream: 'S', consumer: 'w', pinTimeout: 3_000 }
  const pull = new Pull(own, new JetStreamApi(transportLink(own)), target, handler)
  const requests = () => transport.published.filter(({ subject }) => subject.includes('MSG.NEXT'))
  const inboxOf = (at: number) => requests().at(at)?.reply ?? ''
  const base = () => inboxOf(0).replace(/\.[^.]*$/, '')
  const status = (name: string, code: number) =>
    transport.deliver({
      subject: `${base()}.${name}`,
      payload: encode(''),
      headerBlock: encode(`NATS/1.0 ${code} x\r\n\r\n`),
    })
  const message = (seq: number, pin: string) =>
    transport.deliver({
      subject: `${base()}.1`,
      reply: `$JS.ACK.S.w.1.${seq}.${seq}.1700000000000000000.0`,
      payload: encode(''),
      headerBlock: encode(`NATS/1.0\r\nNats-Pin-Id: ${pin}\r\n\r\n`),
    })
  pull.fill()
  message(1, 'A')
  message(2, 'B')
  expect([pull.isPinned, handler.pinned.mock.calls.length]).toEqual([true, 2])
  status('pin-A', 423)
  expect([pull.isPinned, handler.unpinned.mock.calls.length]).toEqual([true, 0])

  // Answers to renewals of the pin are no heartbeats of the open request.
  const before = requests().length
  for (let i = 0; i < 20; i++) {
    await vi.advanceTimersByTimeAsync(1_000)
    status('pin-B', 408)
  }
  expect(query).toHaveBeenCalled()
  const repeated = requests()
    .slice(before)
    .filter(({ reply }) => /\.\d+$/.test(reply ?? ''))
  expect(repeated.length).toBeGreaterThan(0)
  status('pin-B', 423)
  expect([pull.isPinned, handler.unpinned.mock.calls.length]).toEqual([false, 1])
  await pull.stop()
})

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
