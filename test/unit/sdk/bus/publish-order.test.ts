import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { publishAcked } from '../../../../sdk/bus/publish-acked.ts'
import { PublishOrder } from '../../../../sdk/bus/publish-order.ts'
import type { ConnectionStatus, Transport } from '../../../../sdk/transport/transport.ts'
import { SpanwireError } from '../../../../sdk/wire/errors.ts'
import { createMemoryTransport } from '../memory-transport.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

type Fault = 'no-responders' | 'silence' | 'refused'

/** A stream that answers after 10 ms, and stores events only while it has a leader. */
function stream() {
  const stored: string[] = []
  const listeners = new Set<(status: ConnectionStatus) => void>()
  let status: ConnectionStatus = { state: 'open' }
  let fault: (subject: string) => Fault | undefined = () => undefined
  const queue: Array<() => void> = []
  let underway = 0
  let most = 0
  const transport: Transport = {
    ...createMemoryTransport(),
    get status() {
      return status
    },
    onStatus(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    async request(subject, payload, { timeout }) {
      // Queues while offline, as transports do.
      if (status.state !== 'open') await new Promise<void>((resolve) => queue.push(resolve))
      most = Math.max(most, ++underway)
      const now = fault(subject)
      const event = `${subject}${payload[0]}`
      if (!now) stored.push(event)
      await new Promise((resolve) => setTimeout(resolve, now === 'silence' ? timeout : 10))
      underway--
      if (now === 'silence') throw new SpanwireError('timeout', 'timeout')
      if (now === 'no-responders') throw new SpanwireError('no-responders', 'no responders')
      const answer = now ? { error: { err_code: 10_077 } } : { stream: 'S', seq: stored.length }
      return { subject, payload: new TextEncoder().encode(JSON.stringify(answer)), time: Date.now() }
    },
  }
  const order = new PublishOrder(transport)
  let count = 0
  const outcomes: Array<Promise<unknown>> = []
  return {
    stored,
    outcomes,
    /** Publishes the next event. Its payload is its number. */
    publish(subject = 'a', options: { timeout?: number; signal?: AbortSignal } = {}) {
      const outcome = publishAcked(
        transport,
        { subject, payload: new Uint8Array([count++]), headers: [] },
        { ...options, order },
      )
      outcome.catch(() => {})
      outcomes.push(outcome)
      return outcome
    },
    fail(next: typeof fault) {
      fault = next
    },
    enter(state: 'open' | 'reconnecting') {
      status = { state }
      for (const listener of listeners) listener(status)
      if (state === 'open') for (const send of queue.splice(0)) send()
    },
    /** The largest number of requests at once since the last call. */
    mostAtOnce() {
      const result = most
      most = underway
      return result
    },
  }
}

describe('the order of the events of a stream', () => {
  it('does not delay them while all is well', async () => {
    const { publish, mostAtOnce, stored } = stream()
    for (let n = 0; n < 5; n++) void publish()
    expect(mostAtOnce()).toBe(5)
    await vi.advanceTimersByTimeAsync(10)
    expect(stored).toEqual(['a0', 'a1', 'a2', 'a3', 'a4'])
  })

  it.each<Fault>(['no-responders', 'silence'])('is kept across %s, with one event in flight', async (kind) => {
    const { publish, fail, stored, outcomes, mostAtOnce } = stream()
    fail(() => kind)
    for (let n = 0; n < 3; n++) void publish(n % 2 ? 'b' : 'a')
    // Longer than an answer may take, so that these are published after the failure was noticed.
    await vi.advanceTimersByTimeAsync(1_500)
    for (let n = 3; n < 6; n++) void publish(n % 2 ? 'b' : 'a')
    // The leader is back before the first ones are sent again.
    fail(() => undefined)
    await vi.advanceTimersByTimeAsync(4_000)
    mostAtOnce()
    for (let n = 6; n < 9; n++) void publish(n % 2 ? 'b' : 'a')
    await vi.advanceTimersByTimeAsync(4_000)
    await Promise.all(outcomes)
    expect(stored).toEqual(['a0', 'b1', 'a2', 'b3', 'a4', 'b5', 'a6', 'b7', 'a8'])
  })

  it('sends events again without waiting for each other, once all that failed are stored', async () => {
    const { publish, fail, mostAtOnce, outcomes } = stream()
    fail(() => 'no-responders')
    for (let n = 0; n < 4; n++) void publish()
    await vi.advanceTimersByTimeAsync(50)
    mostAtOnce()
    fail(() => undefined)
    await vi.advanceTimersByTimeAsync(3_000)
    expect(mostAtOnce()).toBeLessThanOrEqual(3)
    await Promise.all(outcomes)
    for (let n = 0; n < 4; n++) void publish()
    expect(mostAtOnce()).toBe(4)
  })

  it('an event that a stream refuses, an event that is aborted and an event that is late delay no other', async () => {
    const { publish, fail, stored } = stream()
    fail(() => 'no-responders')
    const abort = new AbortController()
    const first = publish('a', { signal: abort.signal })
    await vi.advanceTimersByTimeAsync(50)
    const late = publish('a', { timeout: 300 })
    const waiting = publish('a', { signal: abort.signal })
    const refused = publish('full')
    const last = publish('a')
    await vi.advanceTimersByTimeAsync(500)
    await expect(late).rejects.toMatchObject({
      code: 'timeout',
      message: expect.stringContaining('was not sent within 300 ms'),
    })
    abort.abort()
    await expect(first).rejects.toMatchObject({ code: 'aborted' })
    await expect(waiting).rejects.toMatchObject({ code: 'aborted' })
    fail((subject) => (subject === 'full' ? 'refused' : undefined))
    await vi.advanceTimersByTimeAsync(5_000)
    await expect(refused).rejects.toMatchObject({ code: 'stream-refused' })
    await last
    expect(stored).toEqual(['a4'])
  })

  it('a subject that the stream does not store delays other subjects by the length of an election, once', async () => {
    const { publish, fail, stored, outcomes } = stream()
    fail((subject) => (subject === 'other' ? 'no-responders' : undefined))
    void publish('other', { timeout: 120_000 })
    await vi.advanceTimersByTimeAsync(50)
    for (let n = 1; n < 4; n++) void publish()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(stored).toEqual([])
    await vi.advanceTimersByTimeAsync(20_000)
    expect(stored).toEqual(['a1', 'a2', 'a3'])
    void publish('other', { timeout: 100_000 })
    void publish()
    await vi.advanceTimersByTimeAsync(20)
    expect(stored).toEqual(['a1', 'a2', 'a3', 'a5'])
    // The stream stores the subject from here on. It has its own order.
    fail(() => undefined)
    await vi.advanceTimersByTimeAsync(10_000)
    await Promise.all(outcomes)
    expect(stored.slice(-2)).toEqual(['other0', 'other4'])
  })

  it('is kept for events that were published while the connection was lost', async () => {
    const { publish, fail, stored, enter, outcomes } = stream()
    fail(() => 'no-responders')
    void publish()
    await vi.advanceTimersByTimeAsync(20)
    void publish()
    enter('reconnecting')
    fail(() => undefined)
    void publish()
    await vi.advanceTimersByTimeAsync(1_000)
    enter('open')
    void publish()
    await vi.advanceTimersByTimeAsync(5_000)
    await Promise.all(outcomes)
    expect(stored).toEqual(['a0', 'a1', 'a2', 'a3'])
  })
})
