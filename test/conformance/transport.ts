/** Tests for every transport: the semantics of sdk/transport/transport.ts. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { OfflineOptions } from '../../sdk/transport/outbound.ts'
import type { Transport, TransportMessage, TransportSubscription } from '../../sdk/transport/transport.ts'
import { parseHeaders } from '../../sdk/wire/headers.ts'
import { eventually } from '../support/eventually.ts'
import { checkEventList } from './event-lists.ts'

/** A transport under test. Permissions for `denied.>` are denied. */
export interface TransportFixture extends AsyncDisposable {
  /** Creates a transport. The suite closes it. */
  connect(options?: { readonly offline?: OfflineOptions }): Transport | Promise<Transport>
  /** Creates a transport that can receive, if `connect` creates publish-only ones. */
  connectReceiver?(): Transport
  /** The network between the transport and its server. Undefined if the transport has no connection. */
  readonly network?: {
    /** Resets all connections, and refuses new ones. */
    down(): void
    up(): void
    /** Drops all bytes, and keeps connections open. */
    swallow(): void
    /** Time after which the server notices the end of a client, in ms. */
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

    it('delivers messages in order once a subscription is ready', async () => {
      const [a, b] = [await connect(), await receiver()]
      const subject = own()
      const { texts } = await collect(b, subject)
      const expected = Array.from({ length: 500 }, (_, i) => `${i}`)
      // Sequentially over HTTP, where each publish is a separate request.
      if (receives) await Promise.all(expected.map((i) => a.publish(subject, bytes(i))))
      else for (const i of expected.slice(0, 50)) await a.publish(subject, bytes(i))
      const all = receives ? expected : expected.slice(0, 50)
      await eventually(() => texts().length >= all.length)
      expect(texts()).toEqual(all)
    })

    it('delivers headers in order, and arbitrary and empty payloads', async () => {
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

    it('returns the first reply of a request, with its headers', async () => {
      const [a, b] = [await connect(), await receiver()]
      const subject = own()
      await answer(b, subject)
      const message = await a.request(subject, bytes('hello'), { timeout: 5_000 })
      expect(text(message.payload)).toBe('hello')
      expect(parseHeaders(message.headerBlock as Uint8Array).fields).toContainEqual(['A', 'b'])
    })

    it('rejects a request without responders, after its timeout, and when aborted', async () => {
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

    it('rejects only the publish without permission', async () => {
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

    it('rejects invalid subjects, invalid headers and large payloads without sending them', async () => {
      const a = await connect()
      for (const subject of ['', 'a b', 'a..b', 'a.*', '>', 'a\r\nPUB b 0'])
        await expect(a.publish(subject, NOTHING), subject).rejects.toMatchObject({ code: 'invalid-subject' })
      await expect(a.publish('a', NOTHING, { headers: [['a', 'b\r\nc']] })).rejects.toMatchObject({
        code: 'invalid-header',
      })
      await expect(a.publish(own(), new Uint8Array(1_048_577))).rejects.toMatchObject({ code: 'payload-too-large' })
      await expect(a.publish(own(), bytes('still there'))).resolves.toBeUndefined()
    })

    it('publishes nothing with an aborted signal', async () => {
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

    it('rejects all operations after close, which can be called again', async () => {
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

    it('drains pending publishes, then closes', async () => {
      const a = await connect()
      const published = a.publish(own(), bytes('1'))
      await Promise.all([a.drain(), expect(published).resolves.toBeUndefined()])
      expect(a.status.state).toBe('closed')
    })

    if (!receives) {
      it('rejects a request without a timeout', async () => {
        const request = (await connect()).request(own(), NOTHING, { timeout: Number.POSITIVE_INFINITY })
        await expect(request).rejects.toMatchObject({ code: 'invalid-argument' })
      })

      it('rejects a subscription as unsupported', async () => {
        const a = await connect()
        expect(() => a.subscribe('a', { message: () => {}, ended: () => {} })).toThrow(
          expect.objectContaining({ code: 'unsupported' }),
        )
      })

      it('rejects a reply subject as unsupported', async () => {
        const a = await connect()
        await expect(a.publish('a', NOTHING, { reply: 'b' })).rejects.toMatchObject({ code: 'unsupported' })
        expect(fixture.network).toBeUndefined()
      })
      return
    }

    it('waits for a reply without a timeout', async () => {
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

    it('delivers each message once to a queue group, and to all subscriptions without one', async () => {
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

    it('matches wildcards', async () => {
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

    it('ends only the subscription without permission', async () => {
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

    it('rejects an invalid filter or queue group', async () => {
      const a = await connect()
      const handler = { message: () => {}, ended: () => {} }
      const invalid = expect.objectContaining({ code: 'invalid-subject' })
      expect(() => a.subscribe('a.>.b', handler)).toThrow(invalid)
      expect(() => a.subscribe('a b', handler)).toThrow(invalid)
      expect(() => a.subscribe('a', handler, { queue: 'a b' })).toThrow(invalid)
    })

    it('ends at unsubscribe, or after pending messages at drain', async () => {
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

    it('flushes once the server has processed earlier operations', async () => {
      const a = await connect()
      const subject = own()
      const { texts } = await collect(a, subject)
      void a.publish(subject, bytes('1'))
      await a.flush()
      await eventually(() => texts().length === 1)
    })

    it('ends subscriptions with connection-closed at close', async () => {
      const a = await connect()
      const { ends } = await collect(a, own())
      await a.close()
      expect(ends).toMatchObject([{ code: 'connection-closed' }])
    })

    it('drains received messages and pending publishes, then closes', async () => {
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

    it('delivers several events of one stream in its order, and resumes them by one cursor', async () => {
      await checkEventList(await connect(), await receiver(), own())
    }, 20_000)

    describe('when the network fails', () => {
      it('restores subscriptions and queue groups, and publishes in order afterwards', async () => {
        const a = await connect()
        const states: string[] = []
        a.onStatus(({ state }) => states.push(state))
        const subject = own()
        const plain = await collect(a, subject)
        const group = await collect(a, subject, 'q')
        fixture.network?.down()
        await eventually(() => a.status.state === 'reconnecting')
        expect(a.status.reason).toBeDefined()
        // Until then the lost member of the queue group still gets messages.
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

      it('subscribes and unsubscribes while offline', async () => {
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

      it('rejects unconfirmed publishes and pending requests with connection-lost', async () => {
        const [a, b] = [await connect(), await connect()]
        const subject = own()
        await collect(b, subject)
        const request = a.request(subject, NOTHING, { timeout: 15_000 })
        await a.flush()
        fixture.network?.swallow()
        const publish = a.publish(subject, NOTHING)
        const outcome = Promise.allSettled([publish, request])
        // Publishes of one turn are sent in the next one.
        await new Promise((resolve) => setTimeout(resolve))
        fixture.network?.down()
        expect(await outcome).toMatchObject([
          { reason: { code: 'connection-lost' } },
          { reason: { code: 'connection-lost' } },
        ])
      }, 20_000)

      it('bounds the offline queue, and rejects the oldest or the newest', async () => {
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

      it('closes at drain with nothing to send while offline', async () => {
        const a = await connect()
        await collect(a, own())
        fixture.network?.down()
        await eventually(() => a.status.state === 'reconnecting')
        await a.drain()
        expect(a.status.state).toBe('closed')
      })

      it('rejects pending operations at close', async () => {
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
