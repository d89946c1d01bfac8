/** What every transport must keep: the semantics that sdk/transport/transport.ts states. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { OfflineOptions } from '../../sdk/transport/outbound.ts'
import type { Transport, TransportMessage, TransportSubscription } from '../../sdk/transport/transport.ts'
import { parseHeaders } from '../../sdk/wire/headers.ts'
import { eventually } from '../support/eventually.ts'

/** A way to NATS under test. Nobody may publish or subscribe to `denied.>`. */
export interface TransportFixture extends AsyncDisposable {
  /** A new transport. The suite closes it. */
  connect(options?: { readonly offline?: OfflineOptions }): Transport | Promise<Transport>
  /** One that can receive, if those of `connect` can't. */
  connectReceiver?(): Transport
  /** The network between the transport and its server; not there if it has no connection to lose. */
  readonly network?: {
    /** Resets every connection, and lets no new one in. */
    down(): void
    up(): void
    /** Swallows everything without closing anything. */
    swallow(): void
    /** How long the server may take to notice that a client has gone, in ms. */
    readonly noticedAfter?: number
  }
}

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (payload: Uint8Array) => new TextDecoder().decode(payload)
const NOTHING = new Uint8Array()

export function transportConformance(name: string, start: () => Promise<TransportFixture>, receives = true): void {
  describe(`transport: ${name}`, () => {
    let fixture: TransportFixture
    let count = 0
    const opened: Transport[] = []
    beforeAll(async () => {
      fixture = await start()
    }, 60_000)
    afterAll(async () => {
      await fixture?.[Symbol.asyncDispose]()
    })
    afterEach(async () => {
      fixture.network?.up()
      await Promise.all(opened.splice(0).map((transport) => transport.close()))
    })
    const keep = async (transport: Transport) => {
      opened.push(transport)
      await eventually(() => transport.status.state === 'open', { what: 'the transport to open' })
      return transport
    }
    const connect = async (options?: { readonly offline?: OfflineOptions }) => keep(await fixture.connect(options))
    const receiver = async () => (fixture.connectReceiver ? keep(fixture.connectReceiver()) : connect())
    const own = () => `t${++count}`
    const collect = async (transport: Transport, filter: string, queue?: string) => {
      const messages: TransportMessage[] = []
      const ends: Error[] = []
      const subscription = transport.subscribe(
        filter,
        { message: (message) => messages.push(message), ended: (error) => ends.push(error) },
        queue === undefined ? {} : { queue },
      )
      await subscription.ready
      return { messages, ends, subscription, texts: () => messages.map(({ payload }) => text(payload)) }
    }
    const answer = async (transport: Transport, subject: string): Promise<TransportSubscription> => {
      const subscription = transport.subscribe(subject, {
        message: ({ reply, payload }) =>
          void transport.publish(reply as string, payload, { headers: [['A', 'b']] }).catch(() => {}),
        ended: () => {},
      })
      await subscription.ready
      return subscription
    }

    it('delivers what is published once a subscription is ready, in order', async () => {
      const [a, b] = [await connect(), await receiver()]
      const subject = own()
      const { texts } = await collect(b, subject)
      const expected = Array.from({ length: 500 }, (_, i) => `${i}`)
      // One at a time over HTTP, where each is a request of its own.
      if (receives) await Promise.all(expected.map((i) => a.publish(subject, bytes(i))))
      else for (const i of expected.slice(0, 50)) await a.publish(subject, bytes(i))
      const all = receives ? expected : expected.slice(0, 50)
      await eventually(() => texts().length >= all.length)
      expect(texts()).toEqual(all)
    })

    it('carries headers in their order, any bytes, and none at all', async () => {
      const [a, b] = [await connect(), await receiver()]
      const subject = own()
      const { messages } = await collect(b, `${subject}.*`)
      const payload = Uint8Array.from({ length: 256 }, (_, i) => i)
      await a.publish(`${subject}.x`, payload, {
        headers: [
          ['A', '1'],
          ['B', 'ä'],
          ['A', '2'],
        ],
      })
      await a.publish(`${subject}.y`, NOTHING)
      await eventually(() => messages.length === 2)
      expect(messages.map((m) => m.subject)).toEqual([`${subject}.x`, `${subject}.y`])
      expect(Uint8Array.from(messages[0]?.payload ?? [])).toEqual(payload)
      expect(messages[1]?.payload.length).toBe(0)
      const { fields } = parseHeaders(messages[0]?.headerBlock as Uint8Array)
      const values = (wanted: string) => fields.filter(([field]) => field === wanted).map(([, value]) => value)
      expect(values('A')).toEqual(['1', '2'])
      expect(values('B')).toEqual(['ä'])
    })

    it('a request gets the first answer, with its headers', async () => {
      const [a, b] = [await connect(), await receiver()]
      const subject = own()
      await answer(b, subject)
      const message = await a.request(subject, bytes('hello'), { timeout: 5_000 })
      expect(text(message.payload)).toBe('hello')
      expect(parseHeaders(message.headerBlock as Uint8Array).fields).toContainEqual(['A', 'b'])
    })

    it('a request that nobody answers: no-responders at once, timeout if somebody listens, aborted by signal', async () => {
      const [a, b] = [await connect(), await receiver()]
      const subject = own()
      await expect(a.request(subject, NOTHING, { timeout: 5_000 })).rejects.toMatchObject({ code: 'no-responders' })
      await collect(b, subject)
      await expect(a.request(subject, NOTHING, { timeout: 99.5 })).rejects.toMatchObject({ code: 'timeout' })
      const abort = new AbortController()
      const request = a.request(subject, NOTHING, { timeout: 5_000, signal: abort.signal })
      abort.abort()
      await expect(request).rejects.toMatchObject({ code: 'aborted' })
    })

    it('a publish that is refused rejects with permission-denied, and no other does', async () => {
      const [a, b] = [await connect(), await receiver()]
      const subject = own()
      const { texts } = await collect(b, subject)
      const results = await Promise.allSettled([
        a.publish(subject, bytes('1')),
        a.publish('denied.x', bytes('no')),
        a.publish(subject, bytes('2')),
      ])
      expect(results.map((r) => (r.status === 'rejected' ? r.reason.code : 'ok'))).toEqual([
        'ok',
        'permission-denied',
        'ok',
      ])
      await eventually(() => texts().length === 2)
      await expect(a.publish(subject, bytes('3'))).resolves.toBeUndefined()
    })

    it('refuses bad subjects, bad headers and what is too large, and sends nothing', async () => {
      const a = await connect()
      for (const subject of ['', 'a b', 'a..b', 'a.*', '>', 'a\r\nPUB b 0'])
        await expect(a.publish(subject, NOTHING), subject).rejects.toMatchObject({ code: 'invalid-subject' })
      await expect(a.publish('a', NOTHING, { headers: [['a', 'b\r\nc']] })).rejects.toMatchObject({
        code: 'invalid-header',
      })
      await expect(a.publish(own(), new Uint8Array(1_048_577))).rejects.toMatchObject({ code: 'payload-too-large' })
      await expect(a.publish(own(), bytes('still there'))).resolves.toBeUndefined()
    })

    it('a signal that is aborted already publishes nothing', async () => {
      const [a, b] = [await connect(), await receiver()]
      const subject = own()
      const { texts } = await collect(b, subject)
      const signal = AbortSignal.abort()
      await expect(a.publish(subject, bytes('no'), { signal })).rejects.toMatchObject({ code: 'aborted' })
      await expect(a.request(subject, bytes('no'), { signal, timeout: 1_000 })).rejects.toMatchObject({
        code: 'aborted',
      })
      await a.publish(subject, bytes('yes'))
      await eventually(() => texts().length > 0)
      expect(texts()).toEqual(['yes'])
    })

    it('after close everything rejects with connection-closed, and close can be called again', async () => {
      const a = await connect()
      const seen: string[] = []
      a.onStatus(({ state }) => seen.push(state))
      await a.close()
      await a.close()
      expect(a.status).toMatchObject({ state: 'closed', reason: { code: 'connection-closed' } })
      expect(seen).toEqual(['closed'])
      const closed = { code: 'connection-closed' }
      await expect(a.publish('a', NOTHING)).rejects.toMatchObject(closed)
      await expect(a.request('a', NOTHING, { timeout: 100 })).rejects.toMatchObject(closed)
      await expect(a.flush()).rejects.toMatchObject(closed)
    })

    it('drain waits until the server has taken what was published before, and closes', async () => {
      const a = await connect()
      const published = a.publish(own(), bytes('1'))
      await Promise.all([a.drain(), expect(published).resolves.toBeUndefined()])
      expect(a.status.state).toBe('closed')
    })

    if (!receives) {
      it('refuses a request without a limit of time: a bridge answers in time', async () => {
        const request = (await connect()).request(own(), NOTHING, { timeout: Number.POSITIVE_INFINITY })
        await expect(request).rejects.toMatchObject({ code: 'invalid-argument' })
      })

      it('says that it can not receive', async () => {
        const a = await connect()
        expect(() => a.subscribe('a', { message: () => {}, ended: () => {} })).toThrow(
          expect.objectContaining({ code: 'unsupported' }),
        )
      })

      it('has no reply subjects, no connection to lose and no queue: says so', async () => {
        const a = await connect()
        await expect(a.publish('a', NOTHING, { reply: 'b' })).rejects.toMatchObject({ code: 'unsupported' })
        expect(fixture.network).toBeUndefined()
      })
      return
    }

    it('a request without a limit of time waits for its answer', async () => {
      const [a, b] = [await connect(), await connect()]
      const subject = own()
      const { messages } = await collect(b, subject)
      const answer = a.request(subject, NOTHING, { timeout: Number.POSITIVE_INFINITY })
      const { reply } = await eventually(() => messages[0], { what: 'the request' })
      // A timer of Infinity fires after 1 ms.
      await new Promise((resolve) => setTimeout(resolve, 20))
      await b.publish(reply as string, bytes('at last'))
      expect(text((await answer).payload)).toBe('at last')
    })

    it('a queue group gets each message once, beside those that have no group', async () => {
      const [a, b, c] = [await connect(), await connect(), await connect()]
      const subject = own()
      const groups = [await collect(a, subject, 'q'), await collect(b, subject, 'q')]
      const plain = await collect(c, subject)
      await Promise.all(Array.from({ length: 50 }, (_, i) => c.publish(subject, bytes(`${i}`))))
      await eventually(() => groups.reduce((n, g) => n + g.messages.length, 0) >= 50 && plain.messages.length >= 50)
      expect(groups.flatMap((g) => g.texts()).sort((x, y) => +x - +y)).toEqual(
        Array.from({ length: 50 }, (_, i) => `${i}`),
      )
    })

    it('wildcards bring what matches, and nothing else', async () => {
      const a = await connect()
      const subject = own()
      const one = await collect(a, `${subject}.*`)
      const tail = await collect(a, `${subject}.>`)
      await a.publish(subject, NOTHING)
      await a.publish(`${subject}.a`, bytes('a'))
      await a.publish(`${subject}.a.b`, bytes('ab'))
      await a.flush()
      await eventually(() => tail.messages.length === 2)
      expect(one.texts()).toEqual(['a'])
      expect(tail.texts()).toEqual(['a', 'ab'])
    })

    it('a subscription that is refused ends with permission-denied, alone', async () => {
      const a = await connect()
      const subject = own()
      const { texts, ends } = await collect(a, subject)
      const refused: Error[] = []
      const subscription = a.subscribe('denied.x', { message: () => {}, ended: (error) => refused.push(error) })
      await expect(subscription.ready).rejects.toMatchObject({ code: 'permission-denied' })
      expect(refused).toMatchObject([{ code: 'permission-denied' }])
      await a.publish(subject, bytes('1'))
      await eventually(() => texts().length === 1)
      expect(ends).toEqual([])
      expect(a.status.state).toBe('open')
    })

    it('a bad filter or queue group is refused at once', async () => {
      const a = await connect()
      const handler = { message: () => {}, ended: () => {} }
      const invalid = expect.objectContaining({ code: 'invalid-subject' })
      expect(() => a.subscribe('a.>.b', handler)).toThrow(invalid)
      expect(() => a.subscribe('a b', handler)).toThrow(invalid)
      expect(() => a.subscribe('a', handler, { queue: 'a b' })).toThrow(invalid)
    })

    it('unsubscribe ends at once, drain after what is on its way; both can be repeated', async () => {
      const a = await connect()
      const subject = own()
      const ended = await collect(a, subject)
      const drained = await collect(a, subject)
      await a.publish(subject, bytes('1'))
      await eventually(() => ended.texts().length === 1)
      ended.subscription.unsubscribe()
      ended.subscription.unsubscribe()
      void a.publish(subject, bytes('2'))
      await drained.subscription.drain()
      await drained.subscription.drain()
      await a.publish(subject, bytes('3'))
      await a.flush()
      expect(ended.texts()).toEqual(['1'])
      expect(drained.texts()).toEqual(['1', '2'])
      expect(ended.ends).toEqual([])
    })

    it('flush resolves when the server has processed what was sent before', async () => {
      const a = await connect()
      const subject = own()
      const { texts } = await collect(a, subject)
      void a.publish(subject, bytes('1'))
      await a.flush()
      await eventually(() => texts().length === 1)
    })

    it('close ends the subscriptions, and says so', async () => {
      const a = await connect()
      const { ends } = await collect(a, own())
      await a.close()
      expect(ends).toMatchObject([{ code: 'connection-closed' }])
    })

    it('drain delivers what is on its way, sends what waits, and closes', async () => {
      const [a, b] = [await connect(), await connect()]
      const subject = own()
      const mine = await collect(a, subject)
      const others = await collect(b, subject)
      void a.publish(subject, bytes('1')).catch(() => {})
      await a.drain()
      expect(a.status.state).toBe('closed')
      expect(mine.texts()).toEqual(['1'])
      await eventually(() => others.texts().length === 1)
    })

    describe('when the network fails', () => {
      it('subscriptions and queue groups come back; what was published meanwhile follows, in order', async () => {
        const a = await connect()
        const states: string[] = []
        a.onStatus(({ state }) => states.push(state))
        const subject = own()
        const plain = await collect(a, subject)
        const group = await collect(a, subject, 'q')
        fixture.network?.down()
        await eventually(() => a.status.state === 'reconnecting')
        expect(a.status.reason).toBeDefined()
        // Until then a member of a queue group that is gone takes its share.
        await new Promise((resolve) => setTimeout(resolve, fixture.network?.noticedAfter ?? 0))
        const expected = Array.from({ length: 100 }, (_, i) => `${i}`)
        const published = Promise.all(expected.map((i) => a.publish(subject, bytes(i))))
        fixture.network?.up()
        await published
        await eventually(() => plain.texts().length >= 100 && group.texts().length >= 100)
        expect(plain.texts()).toEqual(expected)
        expect(group.texts()).toEqual(expected)
        expect([...new Set(states)]).toEqual(['reconnecting', 'open'])
        expect(a.status).toEqual({ state: 'open' })
      }, 40_000)

      it('a subscription made while offline becomes ready; one that was ended meanwhile stays ended', async () => {
        const a = await connect()
        const subject = own()
        const ended = await collect(a, subject)
        fixture.network?.down()
        await eventually(() => a.status.state === 'reconnecting')
        ended.subscription.unsubscribe()
        const later = collect(a, subject)
        fixture.network?.up()
        const { texts } = await later
        await a.publish(subject, bytes('1'))
        await eventually(() => texts().length === 1)
        expect(ended.texts()).toEqual([])
      }, 20_000)

      it('an unconfirmed publish and an unanswered request reject with connection-lost', async () => {
        const [a, b] = [await connect(), await connect()]
        const subject = own()
        await collect(b, subject)
        const request = a.request(subject, NOTHING, { timeout: 15_000 })
        await a.flush()
        fixture.network?.swallow()
        const publish = a.publish(subject, NOTHING)
        const outcome = Promise.allSettled([publish, request])
        // Sent: what is published in one turn leaves with the next.
        await new Promise((resolve) => setTimeout(resolve))
        fixture.network?.down()
        expect(await outcome).toMatchObject([
          { reason: { code: 'connection-lost' } },
          { reason: { code: 'connection-lost' } },
        ])
      }, 20_000)

      it('the offline queue is bounded: the oldest is refused, or the newest if that is wanted', async () => {
        const [oldest, newest] = [
          await connect({ offline: { maxMessages: 2 } }),
          await connect({ offline: { maxBytes: 2, whenFull: 'refuse-newest' } }),
        ]
        fixture.network?.down()
        const outcome = async (transport: Transport) => {
          await eventually(() => transport.status.state === 'reconnecting')
          const all = Promise.allSettled(['1', '2', '3'].map((i) => transport.publish('offline', bytes(i))))
          return async () => (await all).map((r) => (r.status === 'rejected' ? r.reason.code : 'ok'))
        }
        const [first, second] = [await outcome(oldest), await outcome(newest)]
        fixture.network?.up()
        expect(await first()).toEqual(['offline-queue-full', 'ok', 'ok'])
        expect(await second()).toEqual(['ok', 'ok', 'offline-queue-full'])
      }, 20_000)

      it('drain with nothing to send closes although the connection is away', async () => {
        const a = await connect()
        await collect(a, own())
        fixture.network?.down()
        await eventually(() => a.status.state === 'reconnecting')
        await a.drain()
        expect(a.status.state).toBe('closed')
      })

      it('close ends what waits', async () => {
        const a = await connect()
        fixture.network?.down()
        await eventually(() => a.status.state === 'reconnecting')
        const waiting = Promise.allSettled([a.publish('a', NOTHING), a.flush()])
        await a.close()
        expect(await waiting).toMatchObject([
          { reason: { code: 'connection-closed' } },
          { reason: { code: 'connection-closed' } },
        ])
      })
    })
  })
}
