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

/** Returns a transport with scripted replies. The last reply repeats. */
function script(replies: Reply[]) {
  const requests: Array<{ at: number; headers: Record<string, string>; size: number }> = []
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
      requests.push({ at: Date.now() - began, headers: Object.fromEntries(headers), size: payload.length })
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
  return { transport, requests, enter, listeners }
}

const EVENT = { subject: 's.a', payload: new Uint8Array(3), headers: [['Nats-Msg-Id', 'i']] as const }
const publish = (transport: Transport, options = {}) => {
  const outcome = publishAcked(transport, EVENT, options)
  outcome.catch(() => {})
  return outcome
}

describe('an acknowledged publish', () => {
  it('is requested before the call returns', () => {
    const { transport, requests } = script([ACK])
    void publish(transport)
    expect(requests.length).toBe(1)
  })

  it.each<SpanwireErrorCode>(['timeout', 'connection-lost', 'upstream-unavailable', 'connection-refused'])(
    'is retried with the same id after %s',
    async (code) => {
      const { transport, requests } = script([code, code, { ...ACK, duplicate: true }])
      const outcome = publish(transport)
      await vi.advanceTimersByTimeAsync(1_000)
      expect(await outcome).toEqual({ ...ACK, duplicate: true })
      expect(requests.map(({ headers }) => headers['Nats-Msg-Id'])).toEqual(['i', 'i', 'i'])
    },
  )

  it.each<SpanwireErrorCode>(['permission-denied', 'connection-closed', 'payload-too-large', 'offline-queue-full'])(
    'is not retried after %s',
    async (code) => {
      const { transport, requests } = script([code])
      await expect(publish(transport)).rejects.toMatchObject({ code })
      expect(requests.length).toBe(1)
    },
  )

  it('without responders: retries for 15 s, the length of an election, then rejects with stream-not-found', async () => {
    const { transport, requests } = script(['no-responders'])
    const outcome = publish(transport)
    await vi.advanceTimersByTimeAsync(20_000)
    await expect(outcome).rejects.toMatchObject({ code: 'stream-not-found' })
    expect(requests.at(-1)?.at).toBeGreaterThanOrEqual(15_000)
    expect(requests.at(-1)?.at).toBeLessThan(17_500)
  })

  it('without responders: reports it after the first attempt, and retries until the timeout of the application', async () => {
    const { transport, requests } = script(['no-responders'])
    const onSilence = vi.fn()
    const outcome = publish(transport, { timeout: 40_000, onSilence })
    await vi.advanceTimersByTimeAsync(0)
    expect(onSilence).toHaveBeenCalledTimes(1)
    await vi.advanceTimersByTimeAsync(40_000)
    await expect(outcome).rejects.toMatchObject({ code: 'stream-not-found' })
    expect(requests.at(-1)?.at).toBeGreaterThan(37_000)
    // A bridge that has lost NATS sends the same status.
    const lost = script(['no-responders'])
    lost.enter({ state: 'reconnecting' })
    const onSilenceOffline = vi.fn()
    void publish(lost.transport, { timeout: 1_000, onSilence: onSilenceOffline })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(onSilenceOffline).not.toHaveBeenCalled()
  })

  it('without responders until a shorter timeout: the error names the reason, and not a possible storage', async () => {
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

  it('a publish in flight is retried after a lost connection, even while the offline queue is full', async () => {
    const { transport, requests, enter } = script(['connection-lost', 'offline-queue-full', 'offline-queue-full', ACK])
    enter({ state: 'reconnecting' })
    const outcome = publish(transport)
    await vi.advanceTimersByTimeAsync(0)
    // The second attempt follows at once. The third waits for its backoff.
    expect(requests.length).toBe(2)
    await vi.advanceTimersByTimeAsync(2_000)
    expect(await outcome).toMatchObject(ACK)
    expect(requests.length).toBe(4)
  })

  it('without an answer: an attempt each 5 s, for 60 s or the given timeout', async () => {
    for (const timeout of [undefined, 12_000]) {
      const { transport, requests } = script(['silence'])
      const outcome = publish(transport, timeout ? { timeout } : {})
      await vi.advanceTimersByTimeAsync((timeout ?? 60_000) - 1)
      expect(requests.map(({ at }) => at)).toEqual(Array.from({ length: timeout ? 3 : 12 }, (_, i) => i * 5_000))
      await vi.advanceTimersByTimeAsync(1)
      await expect(outcome).rejects.toMatchObject({ code: 'timeout' })
    }
  })

  it('is not retried while offline, and its timeout starts when the connection is open', async () => {
    const { transport, requests, enter, listeners } = script(['silence', ACK])
    enter({ state: 'reconnecting' })
    const outcome = publish(transport)
    await vi.advanceTimersByTimeAsync(30_000)
    expect(requests.length).toBe(1)
    enter({ state: 'open' })
    await vi.advanceTimersByTimeAsync(4_999)
    expect(requests.length).toBe(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(await outcome).toMatchObject(ACK)
    expect(listeners.size).toBe(0)
  })

  it('is requested once while offline without a timeout', async () => {
    const { transport, enter } = script(['silence'])
    enter({ state: 'reconnecting' })
    // Stays in the offline queue.
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

  it('rejects when its signal aborts, also between attempts', async () => {
    for (const reply of ['silence', 'connection-refused'] as const) {
      const { transport } = script([reply])
      const abort = new AbortController()
      const outcome = publish(transport, { signal: abort.signal })
      await vi.advanceTimersByTimeAsync(50)
      abort.abort()
      await expect(outcome).rejects.toMatchObject({ code: 'aborted' })
    }
  })

  it('is retried after a temporary error of JetStream, and rejects after a permanent one', async () => {
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

  it('rejects at once on a wrong sequence, and looks the event up if an earlier attempt may have stored it', async () => {
    const wrong = { error: { err_code: 10071, description: 'wrong last sequence: 7' } }
    const none = { error: { err_code: 10070, description: 'wrong last msg ID' } }
    const first = script([wrong])
    await expect(publish(first.transport, { expectLastSeq: 3 })).rejects.toMatchObject({ code: 'wrong-last-sequence' })
    expect(first.requests.length).toBe(1)
    const mine = script(['connection-lost', wrong, { ...ACK, duplicate: true }])
    const outcome = publish(mine.transport, { expectLastSubjectSeq: 3 })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await outcome).toEqual({ ...ACK, duplicate: true })
    // The query has no payload, and its expectation prevents storing it.
    expect(mine.requests.at(-1)).toMatchObject({ size: 0, headers: { 'Nats-Msg-Id': 'i' } })
    expect(mine.requests.at(-1)?.headers).not.toHaveProperty('Nats-Expected-Last-Subject-Sequence')
    const theirs = script(['connection-lost', wrong, none])
    const refused = publish(theirs.transport, { expectLastSubjectSeq: 3 })
    await vi.advanceTimersByTimeAsync(1_000)
    await expect(refused).rejects.toMatchObject({ code: 'wrong-last-sequence' })
  })

  it('is retried at different times by 1,000 publishers that failed together', async () => {
    vi.spyOn(Math, 'random').mockImplementation(seededRandom(1))
    const publishers = Array.from({ length: HERD }, () => script(['connection-refused']))
    for (const { transport } of publishers) void publish(transport)
    await vi.advanceTimersByTimeAsync(5_000)
    for (const retry of [1, 2, 3]) {
      const times = publishers.map(({ requests }) => requests[retry]?.at as number)
      expect(largestShare(times, 10)).toBeLessThan(0.2)
    }
    vi.restoreAllMocks()
  })
})
