import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { historyRoute } from '../../../../bridge/http/history-route.ts'
import type { HubLineHandler } from '../../../../bridge/http/hub-line.ts'
import { toProblem } from '../../../../bridge/http/problem.ts'
import { encodeHeaders } from '../../../../sdk/wire/headers.ts'
import { encodeAckSubject, replayHeaders, replayStatus } from '../../../../sdk/wire/replay-frames.ts'
import { encodeError, encodeMessage } from '../../../../sdk/wire/server-op.ts'

const NOTHING = new Uint8Array()

const status = (code: number, text: string, fields: Array<readonly [string, string]> = []) =>
  encodeMessage('$EDGE.REPLAY', '1', NOTHING, { headers: encodeHeaders(fields, code, text) })
const message = (seq: number) =>
  encodeMessage('a.b', '1', new TextEncoder().encode(`${seq}`), { reply: encodeAckSubject('S', seq, 1_000 + seq, 0) })
const open = status(100, replayStatus.open, [
  [replayHeaders.stream, 'S'],
  [replayHeaders.epoch, 'E'],
  [replayHeaders.first, '1'],
  [replayHeaders.last, '5'],
  [replayHeaders.start, '1'],
])

/** Sends a request. The hub answers every SUB with these frames. */
async function request(path: string, ...frames: Uint8Array[]) {
  const received: string[] = []
  let closed = false
  const app = new Hono().route(
    '/history',
    historyRoute(
      (_, handler: HubLineHandler) => ({
        send(bytes) {
          const text = new TextDecoder().decode(bytes)
          received.push(text)
          if (text.startsWith('SUB')) for (const frame of frames) handler.bytes(frame)
        },
        close: () => {
          closed = true
        },
      }),
      () => undefined,
    ),
  )
  app.onError((error, c) => toProblem(c, error))
  const response = await app.request(`/history/${path}`)
  return { status: response.status, body: await response.json(), received, closed: () => closed }
}

describe('GET /history/:subject', () => {
  it('responds with stored messages, and ends the replay', async () => {
    const {
      status: code,
      body,
      received,
      closed,
    } = await request('a.*?limit=10', open, message(1), message(4), status(100, replayStatus.live))
    expect([code, body]).toEqual([
      200,
      {
        stream: 'S',
        epoch: 'E',
        first: 1,
        last: 5,
        messages: [
          { subject: 'a.b', data: 1, seq: 1, time: 1_001 },
          { subject: 'a.b', data: 4, seq: 4, time: 1_004 },
        ],
        next: 5,
        complete: true,
      },
    ])
    expect(received[1]).toBe('SUB $EDGE.REPLAY.all.a.* 1\r\n')
    expect(closed()).toBe(true)
  })

  it('stops at its limit, with the next sequence', async () => {
    const { body } = await request('a.b?from=s2&limit=2', open, message(2), message(3), message(4))
    expect(body).toMatchObject({ messages: [{ seq: 2 }, { seq: 3 }], next: 4, complete: false })
  })

  it('stops at `to`', async () => {
    expect((await request('a.b?to=3', open, message(2), message(4))).body).toMatchObject({
      messages: [{ seq: 2 }],
      complete: true,
    })
    expect((await request('a.b?to=2', open, message(2))).body).toMatchObject({ messages: [{ seq: 2 }], complete: true })
  })

  it('reports missing sequences', async () => {
    const gap = status(410, replayStatus.gap, [[replayHeaders.gap, '2-3']])
    expect((await request('a.b?from=s2', open, gap, message(4), status(100, replayStatus.live))).body).toMatchObject({
      gone: '2-3',
    })
  })

  it.each([
    ['a', status(404, replayStatus.noStream), 404, 'stream-not-found'],
    ['a', encodeError('Permissions Violation for Subscription to "$EDGE.REPLAY.all.a"'), 403, 'permission-denied'],
    ['a', encodeError('Authorization Violation'), 401, 'authentication-failed'],
    ['a', status(413, replayStatus.tooMany), 413, 'payload-too-large'],
    ['_INBOX.a', status(400, replayStatus.bad), 400, 'request-refused'],
    ['a?limit=0', open, 400, 'invalid-argument'],
    ['a?limit=1001', open, 400, 'invalid-argument'],
    ['a?to=x', open, 400, 'invalid-argument'],
    ['a?from=s1.b', open, 400, 'invalid-argument'],
    ['a..b', open, 400, 'invalid-subject'],
    ['a%0D%0APING', open, 400, 'invalid-subject'],
  ])('%s is rejected: %#', async (path, frame, code, name) => {
    const answer = await request(path, frame)
    expect([answer.status, answer.body]).toMatchObject([code, { code: name }])
  })
})
