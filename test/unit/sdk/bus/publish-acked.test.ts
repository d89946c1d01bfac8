import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { publishAcked } from '../../../../sdk/bus/publish-acked.ts'
import type { ConnectionStatus, Transport } from '../../../../sdk/transport/transport.ts'
import { createRequester } from '../../../../sdk/transport/websocket/requester.ts'
import { SpanwireError, type SpanwireErrorCode } from '../../../../sdk/wire/errors.ts'
import { HERD, largestShare, seededRandom } from '../herd.ts'
import { createMemoryTransport } from '../memory-transport.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const ACK = { stream: 'S', seq: 7 }
type Reply = object | SpanwireErrorCode | 'silence'

/** A transport whose answers are written down; the last one is given for ever. */
function script(replies: Reply[]) {
  const asked: Array<{ at: number; headers: Record<string, string>; size: number }> = []
  const listeners = new Set<(status: ConnectionStatus) => void>()
  let status: ConnectionStatus = { state: 'open' }
  const began = Date.now()
  const transport: Transport = {
    ...createMemoryTransport(),
    get status() {
      return status
    },
    onStatus(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    async request(subject, payload, { headers = [], timeout, signal }) {
      asked.push({ at: Date.now() - began, headers: Object.fromEntries(headers), size: payload.length })
      const reply = (replies.length > 1 ? replies.shift() : replies[0]) as Reply
      if (typeof reply === 'object') {
        return { subject, payload: new TextEncoder().encode(JSON.stringify(reply)), time: Date.now() }
      }
      if (reply !== 'silence') throw new SpanwireError(reply, reply)
      return new Promise((_, reject) => {
        setTimeout(() => reject(new SpanwireError('timeout', 'timeout')), timeout)
        signal?.addEventListener('abort', () => reject(new SpanwireError('aborted', 'aborted')))
      })
    },
  }
  const enter = (next: ConnectionStatus) => {
    status = next
    for (const listener of [...listeners]) listener(next)
  }
  return { transport, asked, enter, listeners }
}

const EVENT = { subject: 's.a', payload: new Uint8Array(3), headers: [['Nats-Msg-Id', 'i']] as const }
const publish = (transport: Transport, options = {}) => {
  const outcome = publishAcked(transport, EVENT, options)
  outcome.catch(() => {})
  return outcome
}

describe('an acknowledged publish', () => {
  it('is asked for before the call returns', () => {
    const { transport, asked } = script([ACK])
    void publish(transport)
    expect(asked.length).toBe(1)
  })

  it.each<SpanwireErrorCode>(['timeout', 'connection-lost', 'upstream-unavailable', 'connection-refused'])(
    'is sent again with the same id after %s',
    async (code) => {
      const { transport, asked } = script([code, code, { ...ACK, duplicate: true }])
      const outcome = publish(transport)
      await vi.advanceTimersByTimeAsync(1_000)
      expect(await outcome).toEqual({ ...ACK, duplicate: true })
      expect(asked.map(({ headers }) => headers['Nats-Msg-Id'])).toEqual(['i', 'i', 'i'])
    },
  )

  it.each<SpanwireErrorCode>(['permission-denied', 'connection-closed', 'payload-too-large', 'offline-queue-full'])(
    '%s ends it',
    async (code) => {
      const { transport, asked } = script([code])
      await expect(publish(transport)).rejects.toMatchObject({ code })
      expect(asked.length).toBe(1)
    },
  )

  it('nobody who answers: for 15 s that may be an election, then no stream is there', async () => {
    const { transport, asked } = script(['no-responders'])
    const outcome = publish(transport)
    await vi.advanceTimersByTimeAsync(20_000)
    await expect(outcome).rejects.toMatchObject({ code: 'stream-not-found' })
    expect(asked.at(-1)?.at).toBeGreaterThanOrEqual(15_000)
    expect(asked.at(-1)?.at).toBeLessThan(17_500)
  })

  it('nobody who answers until a shorter timeout: it says so, and not that it may be stored', async () => {
    const outcome = publish(script(['no-responders']).transport, { timeout: 1_500 })
    await vi.advanceTimersByTimeAsync(1_500)
    await expect(outcome).rejects.toMatchObject({
      code: 'timeout',
      message: expect.stringMatching(
        /was not stored within 1500 ms: no stream stores it \(ensureStreams creates one\)/,
      ),
    })
    // The first attempt may have been stored.
    const second = publish(script(['silence', 'no-responders']).transport, { timeout: 6_000 })
    await vi.advanceTimersByTimeAsync(6_000)
    await expect(second).rejects.toMatchObject({ code: 'timeout', message: expect.stringMatching(/may be stored/) })
  })

  it('what was under way when the connection was lost is sent again, though the offline queue has no room at first', async () => {
    const { transport, asked, enter } = script(['connection-lost', 'offline-queue-full', 'offline-queue-full', ACK])
    enter({ state: 'reconnecting' })
    const outcome = publish(transport)
    await vi.advanceTimersByTimeAsync(0)
    // The second attempt follows at once, the third waits.
    expect(asked.length).toBe(2)
    await vi.advanceTimersByTimeAsync(2_000)
    expect(await outcome).toMatchObject(ACK)
    expect(asked.length).toBe(4)
  })

  it('silence: attempts of 5 s, 60 s in all, or what is given', async () => {
    for (const timeout of [undefined, 12_000]) {
      const { transport, asked } = script(['silence'])
      const outcome = publish(transport, timeout ? { timeout } : {})
      await vi.advanceTimersByTimeAsync((timeout ?? 60_000) - 1)
      expect(asked.map(({ at }) => at)).toEqual(Array.from({ length: timeout ? 3 : 12 }, (_, i) => i * 5_000))
      await vi.advanceTimersByTimeAsync(1)
      await expect(outcome).rejects.toMatchObject({ code: 'timeout' })
    }
  })

  it('while offline nothing is sent again; patience begins when the connection is back', async () => {
    const { transport, asked, enter, listeners } = script(['silence', ACK])
    enter({ state: 'reconnecting' })
    const outcome = publish(transport)
    await vi.advanceTimersByTimeAsync(30_000)
    expect(asked.length).toBe(1)
    enter({ state: 'open' })
    await vi.advanceTimersByTimeAsync(4_999)
    expect(asked.length).toBe(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(await outcome).toMatchObject(ACK)
    expect(listeners.size).toBe(0)
  })

  it('without a limit of time is asked for once while offline', async () => {
    const { transport, enter } = script(['silence'])
    enter({ state: 'reconnecting' })
    // In the offline queue.
    const waiting = vi.fn(() => new Promise<void>(() => {}))
    const request = createRequester({ ...transport, publish: waiting })
    const abort = new AbortController()
    const options = { timeout: Number.POSITIVE_INFINITY, signal: abort.signal }
    const outcome = publish({ ...transport, request }, options)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(waiting).toHaveBeenCalledTimes(1)
    abort.abort()
    await expect(outcome).rejects.toMatchObject({ code: 'aborted' })
  })

  it('its signal ends it, also between attempts', async () => {
    for (const reply of ['silence', 'connection-refused'] as const) {
      const { transport } = script([reply])
      const abort = new AbortController()
      const outcome = publish(transport, { signal: abort.signal })
      await vi.advanceTimersByTimeAsync(50)
      abort.abort()
      await expect(outcome).rejects.toMatchObject({ code: 'aborted' })
    }
  })

  it('what JetStream takes in a moment is sent again, what it refuses is told', async () => {
    const soon = script([{ error: { err_code: 10158, description: 'in process' } }, ACK])
    const outcome = publish(soon.transport)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await outcome).toMatchObject(ACK)
    const full = script([{ error: { err_code: 10077, description: 'maximum messages exceeded' } }])
    await expect(publish(full.transport)).rejects.toMatchObject({
      code: 'stream-refused',
      message: expect.stringContaining('maximum messages exceeded'),
    })
    const other = script([{ hello: 'I am a responder' }])
    await expect(publish(other.transport)).rejects.toMatchObject({ code: 'stream-not-found' })
  })

  it('a wrong sequence counts at once; after an attempt that may have been stored it is looked into', async () => {
    const wrong = { error: { err_code: 10071, description: 'wrong last sequence: 7' } }
    const none = { error: { err_code: 10070, description: 'wrong last msg ID' } }
    const first = script([wrong])
    await expect(publish(first.transport, { expectLastSeq: 3 })).rejects.toMatchObject({ code: 'wrong-last-sequence' })
    expect(first.asked.length).toBe(1)
    const mine = script(['connection-lost', wrong, { ...ACK, duplicate: true }])
    const outcome = publish(mine.transport, { expectLastSubjectSeq: 3 })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await outcome).toEqual({ ...ACK, duplicate: true })
    // The question carries nothing that could be stored.
    expect(mine.asked.at(-1)).toMatchObject({ size: 0, headers: { 'Nats-Msg-Id': 'i' } })
    expect(mine.asked.at(-1)?.headers).not.toHaveProperty('Nats-Expected-Last-Subject-Sequence')
    const theirs = script(['connection-lost', wrong, none])
    const refused = publish(theirs.transport, { expectLastSubjectSeq: 3 })
    await vi.advanceTimersByTimeAsync(1_000)
    await expect(refused).rejects.toMatchObject({ code: 'wrong-last-sequence' })
  })

  it('is sent again out of step by 1,000 publishers that were refused together', async () => {
    vi.spyOn(Math, 'random').mockImplementation(seededRandom(1))
    const publishers = Array.from({ length: HERD }, () => script(['connection-refused']))
    for (const { transport } of publishers) void publish(transport)
    await vi.advanceTimersByTimeAsync(5_000)
    for (const retry of [1, 2, 3]) {
      const times = publishers.map(({ asked }) => asked[retry]?.at as number)
      expect(largestShare(times, 10)).toBeLessThan(0.2)
    }
    vi.restoreAllMocks()
  })
})
