import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { JetStreamApi } from '../../../../sdk/jetstream/api.ts'
import type { JetStreamLink, JetStreamMessage } from '../../../../sdk/jetstream/link.ts'
import { followStream } from '../../../../sdk/jetstream/ordered-consumer.ts'
import { SpanwireError } from '../../../../sdk/wire/errors.ts'
import { encodeHeaders } from '../../../../sdk/wire/headers.ts'
import { encodeAckSubject } from '../../../../sdk/wire/replay-frames.ts'
import { HERD, largestShare, seededRandom } from '../herd.ts'

// A replica that falls behind can't be had at will: this broker is a script. Against real ones: test/chaos.

const TARGET = { stream: 'S', filter: 'a.>', from: 1 }
const bytes = (text: string) => new TextEncoder().encode(text)

/** A stream whose consumers live at a replica that may stop hearing of new messages. */
function scriptedBroker() {
  const stored: number[] = []
  const asked: string[] = []
  let consumers = 0
  let behind = false
  let deliver: (message: JetStreamMessage) => void = () => {}
  let delivered = 0
  let drops = 0
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
    async request(subject, payload, { signal }) {
      const action = subject.replace('$JS.API.', '')
      asked.push(action)
      if (action === 'STREAM.INFO.S' && drops-- > 0)
        return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new Error('aborted'))))
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
    asked,
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
    /** Of the next questions about the stream so many are dropped, as while it has no leader. */
    drop(questions: number) {
      drops = questions
    },
    follow(heard: number[]) {
      return followStream(new JetStreamApi(link), TARGET, {
        message: ({ seq }) => void heard.push(seq),
        started() {},
      })
    },
    end: () => clearInterval(beats),
  }
}

describe('a stream that has no leader for a moment', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('is asked again after a second, not when the first question times out', async () => {
    const broker = scriptedBroker()
    broker.drop(2)
    const heard: number[] = []
    broker.publish()
    const following = broker.follow(heard)
    await vi.advanceTimersByTimeAsync(1_900)
    expect(heard).toEqual([])
    await vi.advanceTimersByTimeAsync(200)
    expect(heard).toEqual([1])
    expect(broker.consumers).toBe(1)
    // Once it has answered nobody asks any more.
    const questions = broker.asked.length
    await vi.advanceTimersByTimeAsync(5_000)
    expect(broker.asked.length).toBe(questions)
    following.stop()
    broker.end()
  })
})

describe('a consumer that delivers nothing, and whose heartbeats say that all is well', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('is given up when the leader has more, and nothing is lost', async () => {
    const broker = scriptedBroker()
    const heard: number[] = []
    const following = broker.follow(heard)
    await vi.advanceTimersByTimeAsync(100)
    broker.publish()
    broker.fallBehind()
    broker.publish()
    broker.publish()
    await vi.advanceTimersByTimeAsync(8_000)
    expect(heard).toEqual([1])
    await vi.advanceTimersByTimeAsync(6_000)
    expect(heard).toEqual([1, 2, 3])
    expect(broker.consumers).toBe(2)
    following.stop()
    broker.end()
  })

  it('is kept when there is nothing more, and asked about ever more rarely', async () => {
    const broker = scriptedBroker()
    const heard: number[] = []
    const following = broker.follow(heard)
    await vi.advanceTimersByTimeAsync(100)
    broker.publish()
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(broker.consumers).toBe(1)
    const compared = () => broker.asked.filter((action) => action === 'STREAM.MSG.GET.S').length
    expect(compared()).toBeGreaterThan(10)
    expect(compared()).toBeLessThan(20)
    following.stop()
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(compared()).toBeLessThan(20)
    expect(heard).toEqual([1])
    broker.end()
  })

  it('is not followed any more once somebody who heard of trouble has stopped it', async () => {
    const asked: string[] = []
    let open = 0
    const link: JetStreamLink = {
      async request(subject) {
        asked.push(subject)
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
    expect([asked.length, open, vi.getTimerCount()]).toEqual([1, 0, 0])
  })
})

it('1,000 consumers that lost the same server are created again out of step', async () => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockImplementation(seededRandom(2))
  const attempts = Array.from({ length: HERD }, () => {
    const times: number[] = []
    const link: JetStreamLink = {
      async request() {
        times.push(Date.now())
        throw new SpanwireError('upstream-unavailable', 'NATS is away.')
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
