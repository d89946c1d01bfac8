import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { JetStreamApi } from '../../../../sdk/jetstream/api.ts'
import type { JetStreamLink, JetStreamMessage } from '../../../../sdk/jetstream/jetstream-link.ts'
import { followStream } from '../../../../sdk/jetstream/ordered-consumer.ts'
import { readPage } from '../../../../sdk/jetstream/page.ts'
import { SpanwireError } from '../../../../sdk/wire/errors.ts'
import { encodeHeaders } from '../../../../sdk/wire/headers.ts'
import { encodeAckSubject } from '../../../../sdk/wire/replay-frames.ts'
import { HERD, largestShare, seededRandom } from '../herd.ts'

// A scripted broker, as a replica that falls behind cannot be forced. With real servers: test/chaos.

const TARGET = { stream: 'S', filter: 'a.>', from: 1 }
const bytes = (text: string) => new TextEncoder().encode(text)

/** A stream with consumers on a replica that can stop receiving new messages. */
function scriptedBroker() {
  const stored: number[] = []
  const requests: string[] = []
  let consumers = 0
  let behind = false
  let deliver: (message: JetStreamMessage) => void = () => {}
  let delivered = 0
  let drops = 0
  let dropped = ''
  const answers: Record<string, () => object> = {
    'STREAM.INFO.S': () => ({
      config: { name: 'S', subjects: ['a.>'] },
      created: 'then',
      state: { first_seq: 1, last_seq: stored.length, messages: stored.length },
    }),
    'STREAM.MSG.GET.S': () =>
      stored.length === 0
        ? { error: { code: 404, err_code: 10037, description: 'no message found' } }
        : { message: { subject: 'a.b', seq: stored.length, time: new Date(0).toISOString(), data: '' } },
  }
  const give = (seq: number) =>
    deliver({
      subject: 'a.b',
      reply: encodeAckSubject('S', seq, 0, 0).replace(/^((?:[^.]+\.){6})[^.]+/, `$1${++delivered}`),
      payload: bytes(`${seq}`),
    })
  const link: JetStreamLink = {
    async request(subject, payload, { signal, timeout }) {
      const action = subject.replace('$JS.API.', '')
      requests.push(action)
      if (action === dropped && drops-- > 0)
        return new Promise((_, reject) => {
          signal?.addEventListener('abort', () => reject(new Error('aborted')))
          setTimeout(() => reject(new SpanwireError('timeout', 'No answer.')), timeout)
        })
      if (action !== 'CONSUMER.CREATE.S')
        return { subject: '', payload: bytes(JSON.stringify(answers[action]?.() ?? {})) }
      const { opt_start_seq } = JSON.parse(new TextDecoder().decode(payload)).config
      delivered = 0
      behind = false
      queueMicrotask(() => stored.filter((seq) => seq >= opt_start_seq).forEach(give))
      return { subject: '', payload: bytes(JSON.stringify({ name: `c${++consumers}` })) }
    },
    subscribe(_, given) {
      deliver = given
      return () => {}
    },
    publish() {},
    newInbox: () => '_INBOX.x',
  }
  const beats = setInterval(() => {
    const headerBlock = encodeHeaders([['Nats-Last-Consumer', `${delivered}`]], 100, 'Idle Heartbeat')
    deliver({ subject: '', headerBlock, payload: bytes('') })
  }, 1_000)
  return {
    requests,
    get consumers() {
      return consumers
    },
    publish() {
      stored.push(stored.length + 1)
      if (!behind) give(stored.length)
    },
    fallBehind() {
      behind = true
    },
    api: new JetStreamApi(link),
    /** Drops the next `count` requests of a kind, as without a leader. */
    drop(action: string, count: number) {
      dropped = action
      drops = count
    },
    follow(received: number[]) {
      return followStream(new JetStreamApi(link), TARGET, {
        message: ({ seq }) => void received.push(seq),
        started() {},
      })
    },
    end: () => clearInterval(beats),
  }
}

describe('a stream without a leader', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('is requested again after 1 s, before the first request times out', async () => {
    const broker = scriptedBroker()
    broker.drop('STREAM.INFO.S', 2)
    const received: number[] = []
    broker.publish()
    const following = broker.follow(received)
    await vi.advanceTimersByTimeAsync(1_900)
    expect(received).toEqual([])
    await vi.advanceTimersByTimeAsync(200)
    expect(received).toEqual([1])
    expect(broker.consumers).toBe(1)
    // No further requests after the answer.
    const count = broker.requests.length
    await vi.advanceTimersByTimeAsync(5_000)
    expect(broker.requests.length).toBe(count)
    following.stop()
    broker.end()
  })
})

describe('a request for a consumer', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('is repeated soon if a server without a leader drops it, and less often later', async () => {
    const broker = scriptedBroker()
    const times: number[] = []
    broker.drop('CONSUMER.CREATE.S', 2)
    broker.publish()
    const received: number[] = []
    const following = broker.follow(received)
    await vi.advanceTimersByTimeAsync(3_000)
    expect(received).toEqual([1])
    following.stop()
    // A server that answers slowly must not get requests that it cannot answer in time, for ever.
    broker.drop('CONSUMER.CREATE.S', Number.POSITIVE_INFINITY)
    broker.requests.length = 0
    const hopeless = broker.follow(received)
    for (let before = 0; times.length < 10; await vi.advanceTimersByTimeAsync(100)) {
      if (broker.requests.length > before) times.push(Date.now())
      before = broker.requests.length
    }
    const last = (times.at(-1) ?? 0) - (times.at(-2) ?? 0)
    expect(last).toBeGreaterThanOrEqual(5_000)
    expect(last).toBeLessThanOrEqual(6_100)
    hopeless.stop()
    broker.end()
  })

  it('is repeated after 1 s for a page', async () => {
    const broker = scriptedBroker()
    broker.drop('CONSUMER.CREATE.S', 1)
    const page = readPage(broker.api, { ...TARGET, to: 0 }, { messages: 10, bytes: 1_000 })
    await vi.advanceTimersByTimeAsync(1_100)
    expect((await page).messages).toEqual([])
    broker.end()
  })
})

describe('a consumer with heartbeats and without messages', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('is replaced if the leader has more messages, without a loss', async () => {
    const broker = scriptedBroker()
    const received: number[] = []
    const following = broker.follow(received)
    await vi.advanceTimersByTimeAsync(100)
    broker.publish()
    broker.fallBehind()
    broker.publish()
    broker.publish()
    await vi.advanceTimersByTimeAsync(8_000)
    expect(received).toEqual([1])
    await vi.advanceTimersByTimeAsync(6_000)
    expect(received).toEqual([1, 2, 3])
    expect(broker.consumers).toBe(2)
    following.stop()
    broker.end()
  })

  it('is kept if the leader has no more messages, and checked at growing intervals', async () => {
    const broker = scriptedBroker()
    const received: number[] = []
    const following = broker.follow(received)
    await vi.advanceTimersByTimeAsync(100)
    broker.publish()
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(broker.consumers).toBe(1)
    const compared = () => broker.requests.filter((action) => action === 'STREAM.MSG.GET.S').length
    expect(compared()).toBeGreaterThan(10)
    expect(compared()).toBeLessThan(20)
    following.stop()
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(compared()).toBeLessThan(20)
    expect(received).toEqual([1])
    broker.end()
  })

  it('ends when its handler stops it at its start', async () => {
    const broker = scriptedBroker()
    const before = vi.getTimerCount()
    const following = followStream(broker.api, TARGET, { message() {}, started: () => following.stop() })
    await vi.advanceTimersByTimeAsync(100)
    expect([broker.consumers, vi.getTimerCount() - before]).toEqual([1, 0])
    broker.end()
  })

  it('ends when its handler stops it on trouble', async () => {
    const requests: string[] = []
    let open = 0
    const link: JetStreamLink = {
      async request(subject) {
        requests.push(subject)
        const error = { code: 404, err_code: 10059, description: 'stream not found' }
        return { subject: '', payload: bytes(JSON.stringify({ error })) }
      },
      subscribe() {
        open++
        return () => void open--
      },
      publish() {},
      newInbox: () => '_INBOX.x',
    }
    const following = followStream(new JetStreamApi(link), TARGET, {
      message() {},
      started() {},
      trouble: () => following.stop(),
    })
    await vi.advanceTimersByTimeAsync(60_000)
    expect([requests.length, open, vi.getTimerCount()]).toEqual([1, 0, 0])
  })
})

it('1,000 consumers of one failed server are created again at different times', async () => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockImplementation(seededRandom(2))
  const attempts = Array.from({ length: HERD }, () => {
    const times: number[] = []
    const link: JetStreamLink = {
      async request() {
        times.push(Date.now())
        throw new SpanwireError('upstream-unavailable', 'NATS is unavailable.')
      },
      subscribe: () => () => {},
      publish() {},
      newInbox: () => '_INBOX.x',
    }
    const following = followStream(new JetStreamApi(link), TARGET, { message() {}, started() {} })
    return { times, following }
  })
  await vi.advanceTimersByTimeAsync(5_000)
  for (const retry of [1, 2, 3]) {
    expect(
      largestShare(
        attempts.map(({ times }) => times[retry] as number),
        10,
      ),
    ).toBeLessThan(0.2)
  }
  for (const { following } of attempts) following.stop()
  expect(vi.getTimerCount()).toBe(0)
  vi.restoreAllMocks()
  vi.useRealTimers()
})
