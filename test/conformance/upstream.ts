/** Tests for every upstream: the semantics of bridge/upstream/upstream.ts. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Upstream, UpstreamMessage, UpstreamState } from '../../bridge/upstream/upstream.ts'
import { encodeHeaders, parseHeaders } from '../../sdk/wire/headers.ts'
import { eventually } from '../support/eventually.ts'

/** A broker under test. */
export interface UpstreamFixture extends AsyncDisposable {
  /** Opens a connection to the broker. The suite closes it. */
  connect(): Upstream
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (payload: Uint8Array): string => new TextDecoder().decode(payload)

export function upstreamConformance(name: string, start: () => Promise<UpstreamFixture>): void {
  describe(`upstream: ${name}`, () => {
    let fixture: UpstreamFixture
    let subjects = 0
    const opened: Upstream[] = []
    beforeAll(async () => {
      fixture = await start()
    }, 30_000)
    afterAll(async () => {
      await fixture[Symbol.asyncDispose]()
    })
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((upstream) => upstream.close()))
    })
    const connect = async (): Promise<Upstream> => {
      const upstream = fixture.connect()
      opened.push(upstream)
      await eventually(() => upstream.state === 'open')
      return upstream
    }
    /** A subject prefix for one test. All tests share one broker. */
    const own = () => `t${++subjects}`

    it('reports the name of the broker and its max_payload', async () => {
      const { info } = await connect()
      expect(info.name).toMatch(/^(nats-server \d+\.\d+\.\d+|embedded)/)
      expect(info.maxPayload).toBe(1_048_576)
    })

    it('delivers messages published after a subscription, in order', async () => {
      const upstream = await connect()
      const subject = own()
      const seen: string[] = []
      upstream.publish({ subject, payload: bytes('before') })
      upstream.subscribe(subject, undefined, ({ payload }) => seen.push(text(payload)))
      for (let i = 0; i < 500; i++) upstream.publish({ subject, payload: bytes(`${i}`) })
      await upstream.flush()
      expect(seen).toEqual(Array.from({ length: 500 }, (_, i) => `${i}`))
    })

    it('does not deliver during the call of publish', async () => {
      const upstream = await connect()
      const subject = own()
      const order: string[] = []
      upstream.subscribe(subject, undefined, ({ payload }) => {
        order.push(`in ${text(payload)}`)
        if (text(payload) === '1') upstream.publish({ subject, payload: bytes('2') })
        order.push(`out ${text(payload)}`)
      })
      upstream.publish({ subject, payload: bytes('1') })
      order.push('published')
      await eventually(() => order.length === 5)
      expect(order).toEqual(['published', 'in 1', 'out 1', 'in 2', 'out 2'])
    })

    it('has registered interest after a flush', async () => {
      const [a, b] = [await connect(), await connect()]
      const subject = own()
      const seen: UpstreamMessage[] = []
      a.subscribe(subject, undefined, (message) => seen.push(message))
      await a.flush()
      b.publish({ subject, payload: bytes('hello') })
      await b.flush()
      await eventually(() => seen.length === 1)
      expect(seen[0]?.subject).toBe(subject)
    })

    it('matches wildcards as NATS does', async () => {
      const upstream = await connect()
      const root = own()
      const seen: string[] = []
      for (const filter of [`${root}.*`, `${root}.>`, `${root}.*.c`, `${root}.a`, '*.nothing']) {
        upstream.subscribe(filter, undefined, ({ subject }) => seen.push(`${filter} ${subject}`))
      }
      for (const subject of [root, `${root}.a`, `${root}.b.c`]) upstream.publish({ subject, payload: bytes('') })
      await upstream.flush()
      expect(seen.sort()).toEqual(
        [
          `${root}.* ${root}.a`,
          `${root}.> ${root}.a`,
          `${root}.> ${root}.b.c`,
          `${root}.*.c ${root}.b.c`,
          `${root}.a ${root}.a`,
        ].sort(),
      )
    })

    it('delivers once to each queue group, and to all subscriptions without one', async () => {
      const [a, b] = [await connect(), await connect()]
      const subject = own()
      const counts = { first: 0, second: 0, other: 0, plain: 0 }
      a.subscribe(subject, 'workers', () => counts.first++)
      b.subscribe(subject, 'workers', () => counts.second++)
      b.subscribe(subject, 'others', () => counts.other++)
      b.subscribe(subject, undefined, () => counts.plain++)
      await Promise.all([a.flush(), b.flush()])
      for (let i = 0; i < 200; i++) a.publish({ subject, payload: bytes('') })
      await a.flush()
      await eventually(() => counts.plain === 200 && counts.other === 200 && counts.first + counts.second === 200)
      expect(counts.first).toBeGreaterThan(0)
      expect(counts.second).toBeGreaterThan(0)
    })

    it('delivers header blocks unchanged', async () => {
      const upstream = await connect()
      const subject = own()
      const blocks = [
        encodeHeaders([
          ['x-lower', '1'],
          ['X-Lower', '2'],
          ['other', 'é €'],
          ['x-lower', '3'],
          ['empty', ''],
        ]),
        encodeHeaders([], 408, 'Request Timeout'),
        encodeHeaders([['Nats-Service-Error', 'no']], 503),
        bytes('NATS/1.0\r\nodd (name): 1\r\nno-blank:2\r\n\r\n'),
      ]
      const seen: Array<UpstreamMessage> = []
      upstream.subscribe(subject, undefined, (message) => seen.push(message))
      for (const headers of blocks) upstream.publish({ subject, headers, payload: bytes('body') })
      upstream.publish({ subject, payload: bytes('body') })
      await upstream.flush()
      expect(seen.map(({ headers }) => headers && text(headers))).toEqual([...blocks.map(text), undefined])
      expect(seen.map(({ payload }) => text(payload))).toEqual(seen.map(() => 'body'))
    })

    it('delivers requests and replies', async () => {
      const [a, b] = [await connect(), await connect()]
      const root = own()
      const answers: string[] = []
      b.subscribe(`${root}.ask`, undefined, ({ reply, payload }) => {
        if (reply) b.publish({ subject: reply, payload: bytes(`re: ${text(payload)}`) })
      })
      await b.flush()
      a.subscribe(`${root}.inbox.*`, undefined, ({ payload, reply }) => answers.push(`${text(payload)} ${reply}`))
      a.publish({ subject: `${root}.ask`, reply: `${root}.inbox.1`, payload: bytes('one') })
      await eventually(() => answers.length > 0)
      expect(answers).toEqual(['re: one undefined'])
    })

    it('answers a request without responders with 503', async () => {
      const upstream = await connect()
      const root = own()
      const seen: UpstreamMessage[] = []
      upstream.subscribe(`${root}.inbox.*`, undefined, (message) => seen.push(message))
      upstream.publish({ subject: `${root}.unanswered`, reply: `${root}.inbox.7`, payload: bytes('?') })
      await upstream.flush()
      expect(seen).toHaveLength(1)
      expect(seen[0]?.subject).toBe(`${root}.inbox.7`)
      expect(seen[0]?.payload).toHaveLength(0)
      expect(parseHeaders(seen[0]?.headers ?? bytes(''))).toMatchObject({ status: 503 })
    })

    it('delivers nothing after unsubscribe, including messages already received', async () => {
      const upstream = await connect()
      const subject = own()
      const seen: string[] = []
      const end = upstream.subscribe(subject, undefined, ({ payload }) => {
        seen.push(text(payload))
        end()
      })
      const all: string[] = []
      upstream.subscribe(subject, undefined, ({ payload }) => all.push(text(payload)))
      for (const word of ['a', 'b', 'c']) upstream.publish({ subject, payload: bytes(word) })
      await upstream.flush()
      end()
      upstream.publish({ subject, payload: bytes('d') })
      await upstream.flush()
      expect(seen).toEqual(['a'])
      expect(all).toEqual(['a', 'b', 'c', 'd'])
    })

    it('delivers to two subscriptions with the same filter', async () => {
      const upstream = await connect()
      const subject = own()
      const seen: string[] = []
      const deliver = () => seen.push('x')
      const end = upstream.subscribe(subject, undefined, deliver)
      upstream.subscribe(subject, undefined, deliver)
      upstream.publish({ subject, payload: bytes('') })
      await upstream.flush()
      expect(seen).toHaveLength(2)
      end()
      upstream.publish({ subject, payload: bytes('') })
      await upstream.flush()
      expect(seen).toHaveLength(3)
    })

    it('delivers to all subscribers if one of them throws', async () => {
      const upstream = await connect()
      const subject = own()
      let throwing = 0
      let calm = 0
      upstream.subscribe(subject, undefined, () => {
        throwing++
        throw new Error('a broken handler')
      })
      upstream.subscribe(subject, undefined, () => calm++)
      for (let i = 0; i < 3; i++) upstream.publish({ subject, payload: bytes('') })
      await upstream.flush()
      expect({ throwing, calm }).toEqual({ throwing: 3, calm: 3 })
      expect(upstream.state).toBe('open')
    })

    it('accepts a payload at the limit, and rejects a larger one', async () => {
      const upstream = await connect()
      const subject = own()
      const { maxPayload } = upstream.info
      const sizes: number[] = []
      upstream.subscribe(subject, undefined, ({ payload }) => sizes.push(payload.length))
      const headers = encodeHeaders([['a', 'b']])
      const over = { code: 'payload-too-large' }
      expect(() => upstream.publish({ subject, payload: new Uint8Array(maxPayload + 1) })).toThrow(
        expect.objectContaining(over),
      )
      expect(() => upstream.publish({ subject, headers, payload: new Uint8Array(maxPayload) })).toThrow(
        expect.objectContaining(over),
      )
      upstream.publish({ subject, payload: new Uint8Array(maxPayload) })
      upstream.publish({ subject, headers, payload: new Uint8Array(maxPayload - headers.length) })
      await upstream.flush()
      expect(sizes).toEqual([maxPayload, maxPayload - headers.length])
      expect(upstream.state).toBe('open')
    })

    it('delivers 1,000 subjects to their own subscriptions', async () => {
      const upstream = await connect()
      const root = own()
      const seen = new Map<string, string[]>()
      const ends = Array.from({ length: 1_000 }, (_, i) =>
        upstream.subscribe(`${root}.${i}`, undefined, ({ subject, payload }) => {
          seen.set(subject, [...(seen.get(subject) ?? []), text(payload)])
        }),
      )
      for (let i = 0; i < 1_000; i++) upstream.publish({ subject: `${root}.${i}`, payload: bytes(`${i}`) })
      await upstream.flush()
      expect(seen.size).toBe(1_000)
      for (let i = 0; i < 1_000; i++) expect(seen.get(`${root}.${i}`)).toEqual([`${i}`])
      for (const end of ends) end()
      seen.clear()
      upstream.publish({ subject: `${root}.5`, payload: bytes('late') })
      await upstream.flush()
      expect(seen.size).toBe(0)
    })

    it.each(['', 'a b', 'a..b', 'a\r\nPING', '.a', 'a.'])('rejects the subject %j', async (subject) => {
      const upstream = await connect()
      const invalid = expect.objectContaining({ code: 'invalid-subject' })
      expect(() => upstream.publish({ subject, payload: bytes('') })).toThrow(invalid)
      expect(() => upstream.publish({ subject: 'ok', reply: subject, payload: bytes('') })).toThrow(invalid)
      expect(() => upstream.subscribe(subject, undefined, () => {})).toThrow(invalid)
      expect(() => upstream.subscribe('ok', subject, () => {})).toThrow(invalid)
      await upstream.flush()
    })

    it('sends publishes before close, and delivers nothing afterwards', async () => {
      const [a, b] = [await connect(), await connect()]
      const subject = own()
      const atA: string[] = []
      const atB: string[] = []
      a.subscribe(subject, undefined, () => atA.push('x'))
      b.subscribe(subject, undefined, () => atB.push('x'))
      await Promise.all([a.flush(), b.flush()])
      a.publish({ subject, payload: bytes('last') })
      await a.close()
      await eventually(() => atB.length === 1)
      expect(atA).toEqual([])
    })

    it('closes once, and reports it', async () => {
      const upstream = await connect()
      const states: UpstreamState[] = []
      upstream.onState((state) => states.push(state))
      const end = upstream.subscribe(own(), undefined, () => {})
      await Promise.all([upstream.close(), upstream.close()])
      await upstream.close()
      expect(upstream.state).toBe('closed')
      expect(states).toEqual(['closed'])
      const closed = expect.objectContaining({ code: 'connection-closed' })
      expect(() => upstream.publish({ subject: 'a', payload: bytes('') })).toThrow(closed)
      expect(() => upstream.subscribe('a', undefined, () => {})).toThrow(closed)
      await expect(upstream.flush()).rejects.toEqual(closed)
      end()
    })

    it('calls state listeners until they end, also if one throws', async () => {
      const upstream = await connect()
      const states: string[] = []
      upstream.onState(() => states.push('ended'))()
      upstream.onState(() => {
        throw new Error('a broken listener')
      })
      upstream.onState((state) => states.push(state))
      await upstream.close()
      expect(states).toEqual(['closed'])
    })
  })
}
