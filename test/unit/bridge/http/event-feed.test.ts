/** GET /events with a scripted hub. */
import { Hono } from 'hono'
import { afterEach, describe, expect, it } from 'vitest'
import { eventsRoute } from '../../../../bridge/http/events-route.ts'
import type { HubLineHandler } from '../../../../bridge/http/hub-line.ts'
import { toProblem } from '../../../../bridge/http/problem.ts'
import { encodeHeaders } from '../../../../sdk/wire/headers.ts'
import { encodeAckSubject, replayHeaders, replayStatus } from '../../../../sdk/wire/replay-frames.ts'
import { encodeError, encodeInfo, encodeMessage } from '../../../../sdk/wire/server-op.ts'
import { eventually } from '../../../support/eventually.ts'
import { type SseEvent, SseReader } from '../../../support/sse-reader.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const NOTHING = new Uint8Array()
const EPOCH = '2026-11-23T10:00:00.000000001Z'

/** The hub's end of a connection. */
class ScriptedHub {
  readonly received: string[] = []
  closed = false
  readonly #handler: HubLineHandler

  constructor(handler: HubLineHandler) {
    this.#handler = handler
  }

  say(...frames: Array<Uint8Array | string>): void {
    for (const frame of frames) this.#handler.bytes(typeof frame === 'string' ? bytes(`${frame}\r\n`) : frame)
  }

  /** Lines that the client sent. */
  get lines(): string[] {
    return this.received.join('').split('\r\n').slice(0, -1)
  }

  /** The sid of the last SUB with this subject. */
  sid(subject: string): string {
    const line = this.lines.findLast((one) => one.startsWith(`SUB ${subject} `))
    if (!line) throw new Error(`No SUB of ${subject} in ${this.lines.join(' · ')}`)
    return line.split(' ').at(-1) as string
  }

  opened(sid: string, { first = 1, last = 9, start = 1, epoch = EPOCH } = {}): void {
    const fields = Object.entries({ stream: 'S', epoch, first, last, start }).map(
      ([name, value]) => [replayHeaders[name as 'stream'], String(value)] as const,
    )
    this.status(sid, 100, replayStatus.open, fields)
  }

  status(sid: string, code: number, description: string, fields: Array<readonly [string, string]> = []): void {
    this.say(encodeMessage('$EDGE.REPLAY', sid, NOTHING, { headers: encodeHeaders(fields, code, description) }))
  }

  message(sid: string, subject: string, seq: number, payload = `{"n":${seq}}`): void {
    this.say(encodeMessage(subject, sid, bytes(payload), { reply: encodeAckSubject('S', seq, 1_000 + seq, 0) }))
  }

  end(): void {
    this.#handler.closed('')
  }
}

const readers: SseReader[] = []
afterEach(() => Promise.all(readers.splice(0).map((reader) => reader.cancel())))

/** Sends a request. The hub accepts or rejects it. */
async function request(
  path: string,
  answer: (hub: ScriptedHub) => void = (hub) => hub.say('PONG'),
  headers: Record<string, string> = {},
) {
  let hub: ScriptedHub | undefined
  const app = new Hono().route(
    '/events',
    eventsRoute(
      (_, handler) => {
        const scripted = new ScriptedHub(handler)
        hub = scripted
        return {
          send: (sent) => void scripted.received.push(new TextDecoder().decode(sent)),
          close: () => {
            scripted.closed = true
          },
        }
      },
      () => undefined,
    ),
  )
  const asking = app.request(`/events?${path}`, { headers })
  app.onError((error, c) => toProblem(c, error))
  // Rejected before a connection to the hub, or received by the hub.
  await Promise.race([asking, eventually(() => hub?.received.length, { what: 'input for the hub' })])
  if (hub) answer(hub)
  const response = await asking
  const reader = new SseReader(response)
  readers.push(reader)
  return { hub: hub as ScriptedHub, response, reader }
}

const json = ({ event, data }: SseEvent) => [event, JSON.parse(data)]

describe('the subscriptions', () => {
  it('are replays from the requested start, sent together', async () => {
    const { hub } = await request('subject=a&subject=b.*&from=n5')
    expect(hub.lines.slice(1)).toEqual(['SUB $EDGE.REPLAY.n5.a 1', 'SUB $EDGE.REPLAY.n5.b.* 2', 'PING'])
  })

  it.each([
    ['', 'invalid-argument'],
    ['subject=a..b', 'invalid-subject'],
    ['subject=a%0D%0APUB%20b', 'invalid-subject'],
    ['subject=a&from=yesterday', 'invalid-argument'],
    ['subject=a&from=s1.x', 'invalid-argument'],
    ['subject=a&from=s0', 'invalid-argument'],
    ['subject=a.*&subject=*.b', 'invalid-argument'],
    ['subject=a&subject=b&ordered=yes', 'invalid-argument'],
    ['subject=a&pad=99999', 'invalid-argument'],
    ['subject=a&cursor=nonsense', 'invalid-argument'],
    [`subject=a&cursor=${'1~'.repeat(2_000)}1`, 'invalid-argument'],
    [Array.from({ length: 33 }, (_, n) => `subject=s${n}`).join('&'), 'invalid-argument'],
  ])('are rejected with 400 if invalid: %#', async (path, code) => {
    const { response } = await request(path)
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([400, code])
  })

  it('are one replay in the order of the stream with ordered=true', async () => {
    const { hub, reader } = await request('subject=b.*&subject=a&from=all&ordered=true')
    expect(hub.lines.slice(1)).toEqual(['SUB $EDGE.REPLAY.all:1.a.b.* 1', 'PING'])
    hub.opened('1')
    hub.message('1', 'b.1', 4)
    hub.message('1', 'a', 5)
    const read = async () => json(await reader.next())
    expect(await read()).toEqual(['subscribed', { subject: 'a b.*', stream: 'S', first: 1, last: 9 }])
    expect((await read())[1]).toMatchObject({ subject: 'b.1', seq: 4 })
    const { id, data } = await reader.next()
    expect(JSON.parse(data)).toMatchObject({ subject: 'a', seq: 5 })
    const again = await request(`subject=a&subject=b.*&ordered=true&cursor=${id}`)
    expect(again.hub.lines.at(-2)).toBe('SUB $EDGE.REPLAY.s6:1.a.b.* 1')
  })

  it('with ordered=true end with an error if no stream stores all subjects', async () => {
    const { hub, reader } = await request('subject=a&subject=b&ordered=true')
    hub.status('1', 404, replayStatus.noStream)
    expect(json(await reader.next())).toEqual([
      'error',
      { code: 'stream-not-found', detail: 'No stream stores all of a b.' },
    ])
  })

  it('are requested once for a filter that is a subset of another', async () => {
    const { hub } = await request('subject=a.b&subject=a.*&subject=a.*')
    expect(hub.lines.filter((line) => line.startsWith('SUB'))).toEqual(['SUB $EDGE.REPLAY.new.a.* 1'])
  })

  it.each([
    [`Permissions Violation for Subscription to "$EDGE.REPLAY.new.a"`, 403, 'permission-denied'],
    [`Permissions Violation for Subscription to "$EDGE.REPLAY.new:1.b.a"`, 403, 'permission-denied'],
    ['Authorization Violation', 401, 'authentication-failed'],
    ['maximum connections exceeded', 429, 'rate-limited'],
    ['maximum subscriptions exceeded', 429, 'rate-limited'],
    ['Invalid Subject', 400, 'invalid-subject'],
    ['Server Shutdown', 503, 'upstream-unavailable'],
  ])('are rejected with the status of the reason: %s is %i', async (text, status, code) => {
    const { response, hub } = await request('subject=a', (one) => one.say(encodeError(text), 'PONG'))
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([status, code])
    expect(hub.closed).toBe(true)
  })

  it('are rejected by an event and a retry for a browser that reconnects', async () => {
    const first = await request('subject=a')
    first.hub.opened(first.hub.sid('$EDGE.REPLAY.new.a'))
    const { id } = await first.reader.next()
    const again = (text: string) =>
      request('subject=a', (hub) => hub.say(encodeError(text)), { 'Last-Event-ID': id as string })
    const { response, reader } = await again('maximum connections exceeded')
    expect(response.status).toBe(200)
    expect(await reader.rest()).toMatchObject([{ event: 'error', data: expect.stringContaining('rate-limited') }])
    expect(reader.retry).toBeGreaterThanOrEqual(2_500)
    expect(reader.retry).toBeLessThanOrEqual(7_500)
    expect((await again('Authorization Violation')).response.status).toBe(401)
  })
})

describe('the events', () => {
  it('set a reconnection delay that differs between browsers', async () => {
    const delays = new Set<number | undefined>()
    for (let browser = 0; browser < 20; browser++) {
      const { reader, hub } = await request('subject=a')
      hub.opened('1')
      await reader.next()
      delays.add(reader.retry)
    }
    expect(delays.size).toBeGreaterThan(10)
  })

  it('have headers that disable buffering in proxies', async () => {
    const { response, reader, hub } = await request('subject=a')
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    })
    hub.opened('1')
    await reader.next()
    expect(reader.retry).toBeGreaterThanOrEqual(1_000)
    expect(reader.retry).toBeLessThanOrEqual(3_000)
    expect(reader.commented).toBeGreaterThan(2_000)
  })

  it('are messages with their position, and an id that resumes after them', async () => {
    const { hub, reader } = await request('subject=a&from=all')
    const sid = hub.sid('$EDGE.REPLAY.all.a')
    hub.opened(sid, { first: 1, last: 2, start: 1 })
    hub.message(sid, 'a', 1)
    hub.message(sid, 'a', 2, 'not json')
    hub.status(sid, 100, replayStatus.live)
    const events = await reader.take(4)
    expect(events.map(json)).toEqual([
      ['subscribed', { subject: 'a', stream: 'S', first: 1, last: 2 }],
      ['message', { subject: 'a', data: { n: 1 }, seq: 1, time: 1_001 }],
      ['message', { subject: 'a', base64: btoa('not json'), seq: 2, time: 1_002 }],
      ['live', { subject: 'a' }],
    ])
    for (const [event, next] of [
      [events[0], 1],
      [events[1], 2],
      [events[2], 3],
    ] as const) {
      const { hub: later } = await request('subject=a&from=all', undefined, { 'Last-Event-ID': event?.id as string })
      expect(later.lines).toContain(`SUB $EDGE.REPLAY.s${next}.a 1`)
    }
  })

  it('have one id for all subjects, which keeps the start of subjects that are not open yet', async () => {
    const { hub, reader } = await request('subject=a&subject=b&subject=c&from=all')
    hub.opened('1', { start: 4 })
    hub.message('1', 'a', 4)
    hub.status('3', 404, replayStatus.noStream)
    await eventually(() => hub.lines.at(-1) === 'PING')
    hub.say('PONG')
    const events = await reader.take(3)
    const resume = async (id: string | undefined) =>
      (await request('subject=b&subject=c&subject=a&from=all', undefined, { 'Last-Event-ID': id as string })).hub.lines
        .filter((line) => line.startsWith('SUB'))
        .map((line) => line.split(' ')[1])
    expect(await resume(events[1]?.id)).toEqual(['$EDGE.REPLAY.all.b', '$EDGE.REPLAY.all.c', '$EDGE.REPLAY.s5.a'])
    // c has no stream, so messages of the meantime are lost.
    expect(await resume(events[2]?.id)).toEqual(['$EDGE.REPLAY.all.b', '$EDGE.REPLAY.new.c', '$EDGE.REPLAY.s5.a'])
  })

  it('have no id if their subject has no stream', async () => {
    const { hub, reader } = await request('subject=a')
    hub.status('1', 404, replayStatus.noStream)
    expect(hub.lines.slice(-3)).toEqual(['UNSUB 1', 'SUB a 2', 'PING'])
    hub.say('PONG')
    hub.say(
      encodeMessage('a', '2', bytes('7'), {
        headers: encodeHeaders([
          ['Nats-Msg-Id', 'x'],
          ['Spanwire-Time', '5'],
          ['A', 'b'],
        ]),
      }),
    )
    const events = await reader.take(2)
    expect(events.map(json)).toEqual([
      ['subscribed', { subject: 'a' }],
      [
        'message',
        {
          subject: 'a',
          data: 7,
          id: 'x',
          headers: [
            ['Spanwire-Time', '5'],
            ['A', 'b'],
          ],
          time: 5,
        },
      ],
    ])
    expect(events.map(({ id }) => id)).toEqual([undefined, undefined])
  })

  it('are not repeated after a reconnect', async () => {
    const { hub, reader } = await request('subject=a&from=all')
    hub.opened('1')
    for (const seq of [1, 2, 2, 1, 3]) hub.message('1', 'a', seq)
    expect((await reader.take(4)).slice(1).map(({ data }) => JSON.parse(data).seq)).toEqual([1, 2, 3])
  })

  it('contain the payload on one line', async () => {
    const { hub, reader } = await request('subject=a')
    hub.opened('1')
    for (const [index, payload] of ['1.0', '{"a":\n1}', '12345678901234567890', '', '"\u2028"', '\ufeff1'].entries())
      hub.message('1', 'a', index + 1, payload)
    const [, ...events] = await reader.take(7)
    expect(events.map(({ data }) => data.replace(/^\{"subject":"a",?|,?"seq".*$/g, ''))).toEqual([
      '"data":1.0',
      '"data":{"a": 1}',
      '"data":12345678901234567890',
      '',
      '"data":"\u2028"',
      `"base64":"${Buffer.from('\ufeff1').toString('base64')}"`,
    ])
  })
})

describe('the client gets an event', () => {
  async function resumed(next: number) {
    const first = await request('subject=a&from=all')
    first.hub.opened('1', { start: next })
    const { id } = await first.reader.next()
    return request('subject=a&from=all', undefined, { 'Last-Event-ID': id as string })
  }

  it('for missing sequences, and continues after them', async () => {
    const { hub, reader } = await resumed(5)
    hub.opened('1', { first: 8, last: 9, start: 8 })
    hub.status('1', 410, replayStatus.gap, [[replayHeaders.gap, '5-7,12']])
    const [, gap] = await reader.take(2)
    expect(json(gap as SseEvent)).toEqual([
      'gap',
      {
        subject: 'a',
        reason: 'removed',
        ranges: [
          [5, 7],
          [12, 12],
        ],
      },
    ])
    const { hub: later } = await request('subject=a', undefined, { 'Last-Event-ID': gap?.id as string })
    expect(later.lines).toContain('SUB $EDGE.REPLAY.s8.a 1')
  })

  it('for a stream that was created again, and gets all of its messages', async () => {
    const { hub, reader } = await resumed(5)
    hub.opened('1', { epoch: 'another', last: 2, start: 5 })
    expect(hub.lines.slice(-2)).toEqual(['UNSUB 1', 'SUB $EDGE.REPLAY.s1.a 2'])
    hub.message('1', 'a', 5)
    hub.opened('2', { epoch: 'another', last: 2 })
    hub.message('2', 'a', 1)
    expect((await reader.take(3)).map(json)).toEqual([
      ['gap', { subject: 'a', stream: 'S', reason: 'recreated' }],
      ['subscribed', { subject: 'a', stream: 'S', first: 1, last: 2 }],
      ['message', { subject: 'a', data: { n: 1 }, seq: 1, time: 1_001 }],
    ])
  })

  it('for a stream that was created again during the replay', async () => {
    const { hub, reader } = await request('subject=a&from=all')
    hub.opened('1')
    hub.message('1', 'a', 9)
    hub.opened('1', { epoch: 'another', last: 0 })
    hub.message('1', 'a', 1)
    const events = await reader.take(5)
    expect(events.map(json).slice(2)).toEqual([
      ['gap', { subject: 'a', stream: 'S', reason: 'recreated' }],
      ['subscribed', { subject: 'a', stream: 'S', first: 1, last: 0 }],
      ['message', { subject: 'a', data: { n: 1 }, seq: 1, time: 1_001 }],
    ])
  })

  it('for a stream that lost its end', async () => {
    const { hub, reader } = await resumed(10)
    hub.opened('1', { last: 6, start: 10 })
    expect(hub.lines.slice(-2)).toEqual(['UNSUB 1', 'SUB $EDGE.REPLAY.s7.a 2'])
    hub.opened('2', { last: 6, start: 7 })
    hub.message('2', 'a', 7)
    expect((await reader.take(3)).map(json)).toMatchObject([
      ['gap', { reason: 'truncated' }],
      ['subscribed', {}],
      ['message', { seq: 7 }],
    ])
  })

  it('only for new messages after an interruption', async () => {
    const { hub, reader } = await request('subject=a&from=all')
    hub.opened('1')
    hub.message('1', 'a', 3)
    hub.status('1', 409, replayStatus.interrupted)
    expect(hub.lines.at(-1)).toBe('SUB $EDGE.REPLAY.s4.a 2')
    hub.opened('2')
    hub.message('2', 'a', 4)
    const events = await reader.take(4)
    expect(events.flatMap(({ data }) => JSON.parse(data).seq ?? [])).toEqual([3, 4])
  })

  it('once for the last message of each subject, also after an interruption', async () => {
    const { hub, reader } = await request('subject=a.*&from=last-per-subject')
    hub.opened('1', { first: 1, last: 9, start: 3 })
    hub.message('1', 'a.x', 3)
    hub.status('1', 409, replayStatus.interrupted)
    expect(hub.lines.at(-1)).toBe('SUB $EDGE.REPLAY.last-per-subject.a.* 2')
    hub.opened('2', { first: 1, last: 9, start: 3 })
    for (const seq of [3, 7]) hub.message('2', 'a.x', seq)
    const events = await reader.take(4)
    expect(events.flatMap(({ data }) => JSON.parse(data).seq ?? [])).toEqual([3, 7])
  })

  it('once for a gap that the hub reports again', async () => {
    const { hub, reader } = await resumed(5)
    hub.opened('1', { first: 8, last: 20, start: 5 })
    for (let i = 0; i < 2; i++) hub.status('1', 410, replayStatus.gap, [[replayHeaders.gap, '5-7,12']])
    hub.message('1', 'a', 8)
    expect((await reader.take(3)).map(({ event }) => event)).toEqual(['subscribed', 'gap', 'message'])
  })

  it('for an outage of NATS, and its end', async () => {
    const { hub, reader } = await request('subject=a')
    const info = { server_id: 'x', version: '2.10.0', proto: 1, max_payload: 1 }
    hub.say(encodeInfo({ ...info, edge: { upstream: 'open' } }))
    hub.say(encodeInfo({ ...info, edge: { upstream: 'reconnecting' } }))
    hub.say(encodeInfo({ ...info, edge: { upstream: 'open' } }))
    expect((await reader.take(2)).map(json)).toEqual([
      ['upstream', { state: 'reconnecting' }],
      ['upstream', { state: 'open' }],
    ])
  })

  it.each([
    ['Permissions Violation for Subscription to "$EDGE.REPLAY.new.a"', 'permission-denied'],
    ['User Authentication Expired', 'authentication-failed'],
    ['User Authentication Revoked', 'authentication-failed'],
  ])('for the end: %s', async (text, code) => {
    const { hub, reader } = await request('subject=a')
    hub.say(encodeError(text))
    expect((await reader.rest()).map(json)).toEqual([['error', { code, detail: expect.any(String) }]])
    expect(hub.closed).toBe(true)
  })

  it('for too many subjects with last-per-subject', async () => {
    const { hub, reader } = await request('subject=a.*&from=last-per-subject')
    hub.status('1', 413, replayStatus.tooMany)
    expect((await reader.rest()).map(json)).toMatchObject([['error', { code: 'payload-too-large' }]])
  })
})

it('with padding for proxies that buffer', async () => {
  const { hub, response } = await request('subject=a&from=all&pad=4096')
  const parts: number[] = []
  // request() reads the body, so sizes are measured there.
  expect(response.bodyUsed || response.body?.locked).toBe(true)
  hub.opened('1')
  const reader = readers.at(-1) as SseReader
  await reader.next()
  parts.push(reader.received)
  hub.message('1', 'a', 1)
  await reader.next()
  parts.push(reader.received)
  expect((parts[1] as number) - (parts[0] as number)).toBeGreaterThanOrEqual(4_096)
})

describe('events that the client does not read', () => {
  it('are not confirmed to the hub, so that its limits apply', async () => {
    const { hub, reader } = await request('subject=a&from=all')
    hub.opened('1')
    await reader.next()
    const pongs = () => hub.lines.filter((line) => line === 'PONG').length
    hub.message('1', 'a', 1)
    hub.say('PING')
    await Promise.resolve()
    expect(pongs()).toBe(0)
    await reader.next()
    // The next read confirms the previous one.
    const more = reader.next()
    await eventually(() => pongs() === 1, { what: 'the PONG' })
    hub.message('1', 'a', 2)
    await more
  })

  it('are dropped when the hub closes a slow consumer', async () => {
    const { hub, reader } = await request('subject=a&from=all')
    hub.opened('1')
    for (let seq = 1; seq < 10; seq++) hub.message('1', 'a', seq)
    hub.say(encodeError('Slow Consumer'))
    hub.end()
    await expect(reader.rest()).rejects.toThrow('cut off')
  })

  it('end the connection to the hub when the client leaves', async () => {
    const { hub, reader } = await request('subject=a')
    await reader.cancel()
    expect(hub.closed).toBe(true)
  })
})
