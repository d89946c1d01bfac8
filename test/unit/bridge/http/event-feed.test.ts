/** What a reader of GET /events is told, by a hub that says what the test has it say. */
import { Hono } from 'hono'
import { afterEach, describe, expect, it } from 'vitest'
import { eventsRoute } from '../../../../bridge/http/events.ts'
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

/** The hub's end of one line. */
class ScriptedHub {
  readonly heard: string[] = []
  closed = false
  readonly #handler: HubLineHandler

  constructor(handler: HubLineHandler) {
    this.#handler = handler
  }

  say(...frames: Array<Uint8Array | string>): void {
    for (const frame of frames) this.#handler.bytes(typeof frame === 'string' ? bytes(`${frame}\r\n`) : frame)
  }

  /** Lines of the client so far. */
  get lines(): string[] {
    return this.heard.join('').split('\r\n').slice(0, -1)
  }

  /** The sid of the newest SUB of that subject. */
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
    this.#handler.closed()
  }
}

const readers: SseReader[] = []
afterEach(() => Promise.all(readers.splice(0).map((reader) => reader.cancel())))

/** Asks, and lets the hub accept or refuse. */
async function ask(
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
          send: (sent) => void scripted.heard.push(new TextDecoder().decode(sent)),
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
  // Refused before there is a hub, or heard by one.
  await Promise.race([asking, eventually(() => hub?.heard.length, { what: 'a word for the hub' })])
  if (hub) answer(hub)
  const response = await asking
  const reader = new SseReader(response)
  readers.push(reader)
  return { hub: hub as ScriptedHub, response, reader }
}

const json = ({ event, data }: SseEvent) => [event, JSON.parse(data)]

describe('the subscriptions', () => {
  it('are replays from where the reader says, in one go', async () => {
    const { hub } = await ask('subject=a&subject=b.*&from=n5')
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
    ['subject=a&pad=99999', 'invalid-argument'],
    ['subject=a&cursor=nonsense', 'invalid-argument'],
    [`subject=a&cursor=${'1~'.repeat(2_000)}1`, 'invalid-argument'],
    [Array.from({ length: 33 }, (_, n) => `subject=s${n}`).join('&'), 'invalid-argument'],
  ])('what makes no sense is refused with 400: %#', async (path, code) => {
    const { response } = await ask(path)
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([400, code])
  })

  it('a filter inside another one is asked for once', async () => {
    const { hub } = await ask('subject=a.b&subject=a.*&subject=a.*')
    expect(hub.lines.filter((line) => line.startsWith('SUB'))).toEqual(['SUB $EDGE.REPLAY.new.a.* 1'])
  })

  it.each([
    [`Permissions Violation for Subscription to "$EDGE.REPLAY.new.a"`, 403, 'permission-denied'],
    ['Authorization Violation', 401, 'authentication-failed'],
    ['maximum connections exceeded', 429, 'rate-limited'],
    ['maximum subscriptions exceeded', 429, 'rate-limited'],
    ['Invalid Subject', 400, 'invalid-subject'],
    ['Server Shutdown', 503, 'upstream-unavailable'],
  ])('%s is HTTP %i', async (text, status, code) => {
    const { response, hub } = await ask('subject=a', (one) => one.say(encodeError(text), 'PONG'))
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([status, code])
    expect(hub.closed).toBe(true)
  })

  it('a browser that comes again is told to come later, since any other answer would end it for good', async () => {
    const first = await ask('subject=a')
    first.hub.opened(first.hub.sid('$EDGE.REPLAY.new.a'))
    const { id } = await first.reader.next()
    const again = (text: string) =>
      ask('subject=a', (hub) => hub.say(encodeError(text)), { 'Last-Event-ID': id as string })
    const { response, reader } = await again('maximum connections exceeded')
    expect(response.status).toBe(200)
    expect(await reader.rest()).toMatchObject([{ event: 'error', data: expect.stringContaining('rate-limited') }])
    expect(reader.retry).toBeGreaterThanOrEqual(2_500)
    expect((await again('Authorization Violation')).response.status).toBe(401)
  })
})

describe('the events', () => {
  it('set a reconnection delay that differs from browser to browser', async () => {
    const delays = new Set<number | undefined>()
    for (let browser = 0; browser < 20; browser++) {
      const { reader, hub } = await ask('subject=a')
      hub.opened('1')
      await reader.next()
      delays.add(reader.retry)
    }
    expect(delays.size).toBeGreaterThan(10)
  })

  it('begin with how a proxy is asked to pass them on', async () => {
    const { response, reader, hub } = await ask('subject=a')
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

  it('are messages with their place, and an id that resumes behind them', async () => {
    const { hub, reader } = await ask('subject=a&from=all')
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
      const { hub: later } = await ask('subject=a&from=all', undefined, { 'Last-Event-ID': event?.id as string })
      expect(later.lines).toContain(`SUB $EDGE.REPLAY.s${next}.a 1`)
    }
  })

  it('of several subjects have one id for all of them; those not yet open begin where they would have', async () => {
    const { hub, reader } = await ask('subject=a&subject=b&subject=c&from=all')
    hub.opened('1', { start: 4 })
    hub.message('1', 'a', 4)
    hub.status('3', 404, replayStatus.noStream)
    await eventually(() => hub.lines.at(-1) === 'PING')
    hub.say('PONG')
    const events = await reader.take(3)
    const resume = async (id: string | undefined) =>
      (await ask('subject=b&subject=c&subject=a&from=all', undefined, { 'Last-Event-ID': id as string })).hub.lines
        .filter((line) => line.startsWith('SUB'))
        .map((line) => line.split(' ')[1])
    expect(await resume(events[1]?.id)).toEqual(['$EDGE.REPLAY.all.b', '$EDGE.REPLAY.all.c', '$EDGE.REPLAY.s5.a'])
    // c has no stream: what was published meanwhile is gone.
    expect(await resume(events[2]?.id)).toEqual(['$EDGE.REPLAY.all.b', '$EDGE.REPLAY.new.c', '$EDGE.REPLAY.s5.a'])
  })

  it('of a subject without a stream come live, and have no id', async () => {
    const { hub, reader } = await ask('subject=a')
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

  it('that came before the cut do not come again', async () => {
    const { hub, reader } = await ask('subject=a&from=all')
    hub.opened('1')
    for (const seq of [1, 2, 2, 1, 3]) hub.message('1', 'a', seq)
    expect((await reader.take(4)).slice(1).map(({ data }) => JSON.parse(data).seq)).toEqual([1, 2, 3])
  })

  it('carry the payload as it was written, on one line', async () => {
    const { hub, reader } = await ask('subject=a')
    hub.opened('1')
    for (const [index, payload] of ['1.0', '{"a":\n1}', '12345678901234567890', '', '"\u2028"', '\ufeff1'].entries())
      hub.message('1', 'a', index + 1, payload)
    const [, ...events] = await reader.take(7)
    expect(events.map(({ data }) => data.replace(/^\{"subject":"a",?|,?"seq".*$/g, ''))).toEqual([
      '"data":1.0',
      '"data":{"a":1}',
      '"data":12345678901234567890',
      '',
      '"data":"\u2028"',
      `"base64":"${Buffer.from('\ufeff1').toString('base64')}"`,
    ])
  })
})

describe('the reader is told', () => {
  async function resumed(next: number) {
    const first = await ask('subject=a&from=all')
    first.hub.opened('1', { start: next })
    const { id } = await first.reader.next()
    return ask('subject=a&from=all', undefined, { 'Last-Event-ID': id as string })
  }

  it('which sequences are gone, and goes on behind them', async () => {
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
    const { hub: later } = await ask('subject=a', undefined, { 'Last-Event-ID': gap?.id as string })
    expect(later.lines).toContain('SUB $EDGE.REPLAY.s8.a 1')
  })

  it('of a stream that was made again, and gets all of the new one', async () => {
    const { hub, reader } = await resumed(5)
    hub.opened('1', { epoch: 'another', last: 2 })
    expect(hub.lines.slice(-2)).toEqual(['UNSUB 1', 'SUB $EDGE.REPLAY.all.a 2'])
    hub.message('1', 'a', 5)
    hub.opened('2', { epoch: 'another', last: 2 })
    hub.message('2', 'a', 1)
    expect((await reader.take(3)).map(json)).toEqual([
      ['gap', { subject: 'a', stream: 'S', reason: 'recreated' }],
      ['subscribed', { subject: 'a', stream: 'S', first: 1, last: 2 }],
      ['message', { subject: 'a', data: { n: 1 }, seq: 1, time: 1_001 }],
    ])
  })

  it('of one that was made again while it was followed', async () => {
    const { hub, reader } = await ask('subject=a&from=all')
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

  it('of one that went backwards', async () => {
    const { hub, reader } = await resumed(10)
    hub.opened('1', { last: 6, start: 7 })
    expect(hub.lines.slice(-2)).toEqual(['UNSUB 1', 'SUB $EDGE.REPLAY.s7.a 2'])
    hub.opened('2', { last: 6, start: 7 })
    hub.message('2', 'a', 7)
    expect((await reader.take(3)).map(json)).toMatchObject([
      ['gap', { reason: 'truncated' }],
      ['subscribed', {}],
      ['message', { seq: 7 }],
    ])
  })

  it('nothing when the hub lost its place: it goes on behind the last message', async () => {
    const { hub, reader } = await ask('subject=a&from=all')
    hub.opened('1')
    hub.message('1', 'a', 3)
    hub.status('1', 409, replayStatus.interrupted)
    expect(hub.lines.at(-1)).toBe('SUB $EDGE.REPLAY.s4.a 2')
    hub.opened('2')
    hub.message('2', 'a', 4)
    const events = await reader.take(4)
    expect(events.flatMap(({ data }) => JSON.parse(data).seq ?? [])).toEqual([3, 4])
  })

  it('that NATS is away, and back', async () => {
    const { hub, reader } = await ask('subject=a')
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
  ])('why it ends: %s', async (text, code) => {
    const { hub, reader } = await ask('subject=a')
    hub.say(encodeError(text))
    expect((await reader.rest()).map(json)).toEqual([['error', { code, detail: expect.any(String) }]])
    expect(hub.closed).toBe(true)
  })

  it('too many subjects for the last of each', async () => {
    const { hub, reader } = await ask('subject=a.*&from=last-per-subject')
    hub.status('1', 413, replayStatus.tooMany)
    expect((await reader.rest()).map(json)).toMatchObject([['error', { code: 'payload-too-large' }]])
  })
})

it('a proxy that holds back less than so many bytes is given as many with each part', async () => {
  const { hub, response } = await ask('subject=a&from=all&pad=4096')
  const parts: number[] = []
  // The reader of ask() has the body; what it reads is measured there.
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

describe('what is not read', () => {
  it('is not confirmed to the hub, so that its limits hold', async () => {
    const { hub, reader } = await ask('subject=a&from=all')
    hub.opened('1')
    await reader.next()
    const pongs = () => hub.lines.filter((line) => line === 'PONG').length
    hub.message('1', 'a', 1)
    hub.say('PING')
    await Promise.resolve()
    expect(pongs()).toBe(0)
    await reader.next()
    // Asking for more says that this was taken.
    const more = reader.next()
    await eventually(() => pongs() === 1, { what: 'the PONG' })
    hub.message('1', 'a', 2)
    await more
  })

  it('is dropped when the hub calls it a slow consumer', async () => {
    const { hub, reader } = await ask('subject=a&from=all')
    hub.opened('1')
    for (let seq = 1; seq < 10; seq++) hub.message('1', 'a', seq)
    hub.say(encodeError('Slow Consumer'))
    hub.end()
    await expect(reader.rest()).rejects.toThrow('cut off')
  })

  it('nobody waits for a reader that went away', async () => {
    const { hub, reader } = await ask('subject=a')
    await reader.cancel()
    expect(hub.closed).toBe(true)
  })
})
