import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createBridge } from '../../bridge/bridge.ts'
import { createEmbeddedUpstream } from '../../bridge/broker/embedded.ts'
import { coreOf } from '../support/hub-core.ts'
import { createToken, rootToken, SECRET } from '../support/token.ts'

const time = { interruptAfterTimeLimit: 5_000, markInterruptAsFailure: false }
const bridge = createBridge({
  upstream: createEmbeddedUpstream(),
  auth: { secret: SECRET, cookie: 'session' },
  admin: { key: 'an-administrators-key-of-32-bytes' },
  limits: { publishRate: { messages: 1e9, bytes: 1e12 } },
})

describe('the HTTP routes', () => {
  const DOCUMENTED = [200, 202, 204, 400, 401, 403, 404, 409, 412, 413, 426, 429, 503, 504]
  const header = fc.string({ unit: fc.constantFrom(...'abc=/+%;,. "\\{}[]0ÿ\t'), maxLength: 40 })
  const subject = fc.oneof(
    fc.constantFrom('a', 'a.b', 'a..b', '*', '>', '$EDGE.ADMIN'),
    fc.string({ unit: 'grapheme' }),
  )
  const path = fc.oneof(
    fc.constantFrom(
      '/publish',
      '/request',
      '/nats',
      '/nats/stream',
      '/events',
      '/healthz',
      '/connz?limit=-1',
      '/admin/disconnect',
      '/admin/unsubscribe',
      '/',
    ),
    fc
      .tuple(
        fc.constantFrom('/publish/', '/request/', '/history/', '/events?subject='),
        subject.map(encodeURIComponent),
        fc.constantFrom(
          '',
          '?timeout=1',
          '?from=s1',
          '&from=n5',
          '&pad=7',
          '&cursor=1.a.1',
          '&token=x',
          '?limit=2&to=9',
        ),
      )
      .map((parts) => parts.join('')),
    fc.webPath(),
  )
  const fields = fc.record(
    {
      'Nats-Headers': fc.oneof(fc.json().map(encodeURIComponent), header),
      'Idempotency-Key': header,
      Origin: fc.oneof(fc.constant('http://localhost'), header),
      Cookie: header,
      'Content-Type': header,
      'Last-Event-ID': header,
      'Spanwire-Tunnel': header,
      traceparent: header,
      tracestate: header,
      baggage: header,
      Upgrade: fc.constantFrom('websocket', 'h2c'),
    },
    { requiredKeys: [] },
  )
  const line = fc.oneof(
    fc.json(),
    fc.string(),
    fc
      .record(
        {
          subject: fc.string(),
          data: fc.jsonValue(),
          id: fc.jsonValue(),
          headers: fc.jsonValue(),
          base64: fc.string(),
        },
        { requiredKeys: [] },
      )
      .map((value) => JSON.stringify(value)),
  )
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.array(line, { maxLength: 5 }).map((lines) => lines.join('\n')),
  )

  it('respond to arbitrary requests with a documented status, and a problem for errors', async () => {
    const token = await rootToken()
    const seen = new Set<number>()
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('POST', 'POST', 'POST', 'GET', 'PUT', 'DELETE', 'OPTIONS', 'HEAD'),
        path,
        fields,
        fc.oneof(fc.constant(`Bearer ${token}`), header),
        body,
        async (method, where, headers, authorization, content) => {
          const withBody = method === 'GET' || method === 'HEAD' ? {} : { body: content as BodyInit }
          const response = await bridge.app.request(where, {
            method,
            headers: { ...headers, Authorization: authorization },
            ...withBody,
          })
          seen.add(response.status)
          if (response.headers.get('Content-Type')?.startsWith('text/event-stream')) return response.body?.cancel()
          expect(DOCUMENTED).toContain(response.status)
          if (response.status < 400 || method === 'HEAD' || where.startsWith('/healthz')) return
          expect(response.headers.get('Content-Type')).toBe('application/problem+json')
          const problem = (await response.json()) as { code: string; status: number }
          expect(problem.code).toMatch(/^[a-z-]+$/)
          expect(JSON.stringify(problem)).not.toMatch(/\bat .*:\d+:\d+|node_modules/)
        },
      ),
      {
        numRuns: 1_500,
        // A valid one, because random ones rarely are.
        examples: [['POST', '/publish/a', {}, `Bearer ${token}`, new Uint8Array()]],
        ...time,
      },
    )
    // Some requests were authenticated, and rejected for several reasons.
    for (const status of [202, 400, 401, 404]) expect(seen).toContain(status)
  })
})

describe('a modified token', () => {
  it('is rejected, whichever byte is modified', async () => {
    const token = await createToken({ sub: 'ada', expiresIn: 60 })
    const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=~ é'
    const change = fc.record({
      at: fc.nat(token.length - 1),
      length: fc.nat(3),
      text: fc.string({ unit: fc.constantFrom(...digits), maxLength: 3 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        let mutated = token
        for (const { at, length, text } of changes) mutated = mutated.slice(0, at) + text + mutated.slice(at + length)
        const same = (text: string) =>
          text
            .split('.')
            .map((part) => Buffer.from(part, 'base64url').toString('hex'))
            .join()
        fc.pre(same(mutated) !== same(token))
        await expect(coreOf(bridge.hub).authenticate({ token: mutated })).rejects.toMatchObject({
          code: 'authentication-failed',
        })
      }),
      { numRuns: 3_000, ...time },
    )
  })

  it('is rejected if it is arbitrary text in any kind of credentials', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record(
          { auth_token: fc.string(), jwt: fc.string(), pass: fc.string(), sig: fc.string() },
          { requiredKeys: [] },
        ),
        fc.option(fc.string(), { nil: undefined }),
        async (options, cookie) => {
          await expect(
            coreOf(bridge.hub).authenticate({
              token: options.auth_token ?? options.pass ?? cookie,
              ...options,
              nonce: 'nonce',
            }),
          ).rejects.toMatchObject({
            code: 'authentication-failed',
          })
        },
      ),
      { numRuns: 2_000, ...time },
    )
  })
})
