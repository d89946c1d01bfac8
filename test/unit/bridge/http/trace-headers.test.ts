import { parseTraceParent } from '@opentelemetry/core'
import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { createBridge } from '../../../../bridge/bridge.ts'
import { createEmbeddedUpstream } from '../../../../bridge/broker/embedded.ts'
import { type HeaderFields, parseHeaders } from '../../../../sdk/wire/headers.ts'
import { openToAll } from '../../../support/open-to-all.ts'

const VALID = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const upstream = createEmbeddedUpstream()
const bridge = createBridge({
  upstream,
  auth: openToAll,
  origins: ['https://app.example.com'],
  limits: { publishRate: { messages: 1e9, bytes: 1e12 } },
})
let seen: HeaderFields[] = []
upstream.subscribe('a', undefined, ({ headers, reply }) => {
  seen.push(headers ? parseHeaders(headers).fields : [])
  if (reply) upstream.publish({ subject: reply, payload: new Uint8Array() })
})
beforeEach(() => {
  seen = []
})

const post = (path: string, headers: Record<string, string>) =>
  bridge.app.request(path, { method: 'POST', body: 'x', headers })
const published = async (headers: Record<string, string>) => {
  expect((await post('/publish/a', headers)).status).toBe(202)
  return (seen.at(-1) ?? []).filter(([name]) => !/^(Nats-Msg-Id|Spanwire-Time)$/.test(name))
}

describe('the trace headers of a request', () => {
  it.each(['/publish/a', '/request/a'])('become headers of its event: %s', async (path) => {
    const headers = { traceparent: VALID, tracestate: 'a=1, b=2', baggage: 'k=v;p' }
    expect((await post(path, headers)).ok).toBe(true)
    expect(seen[0]).toEqual(expect.arrayContaining(Object.entries(headers)))
  })

  it.each([
    ['another version', VALID.replace('00', '01')],
    ['one with more fields', `${VALID.replace('00', 'cc')}-what-comes-later`],
  ])('are accepted in %s', async (_, traceparent) => {
    expect(await published({ traceparent })).toEqual([['traceparent', traceparent]])
  })

  it.each([
    ['version ff', VALID.replace('00', 'ff')],
    ['version 00 with more fields', `${VALID}-more`],
    ['a trace id of zeros', VALID.replace(/4bf\w+/, '0'.repeat(32))],
    ['a span id of zeros', VALID.replace(/00f\w+/, '0'.repeat(16))],
    ['capitals', VALID.toUpperCase()],
    ['two traceparents', `${VALID}, ${VALID}`],
    ['a traceparent that is too long', `${VALID.replace('00', '01')}-${'x'.repeat(201)}`],
    ['nothing', ''],
  ])('are ignored with %s, and the event is published', async (_, traceparent) => {
    expect(await published({ traceparent, tracestate: 'a=1', baggage: 'k=v' })).toEqual([['baggage', 'k=v']])
  })

  it('are bounded', async () => {
    const most = { traceparent: VALID, tracestate: 'x'.repeat(512), baggage: 'x'.repeat(8_192) }
    expect(await published(most)).toEqual(Object.entries(most))
    const more = { traceparent: VALID, tracestate: 'x'.repeat(513), baggage: 'x'.repeat(8_193) }
    expect(await published(more)).toEqual([['traceparent', VALID]])
  })

  it('do not replace Nats-Headers', async () => {
    const own = [
      ['TraceParent', 'own'],
      ['Baggage', 'own'],
    ]
    const headers = { traceparent: VALID, tracestate: 'a=1', baggage: 'k=v' }
    expect(await published({ ...headers, 'Nats-Headers': encodeURIComponent(JSON.stringify(own)) })).toEqual(own)
  })

  it('do not apply to lines of a batch', async () => {
    const body = JSON.stringify({ subject: 'a', data: 1, headers: [['traceparent', 'own']] })
    await bridge.app.request('/publish', { method: 'POST', body, headers: { traceparent: VALID, baggage: 'k=v' } })
    expect(seen[0]).toEqual(expect.arrayContaining([['traceparent', 'own']]))
    expect(seen[0]).toHaveLength(3)
  })

  it('are allowed for pages of other origins', async () => {
    const response = await bridge.app.request('/publish/a', {
      method: 'OPTIONS',
      headers: { Origin: 'https://app.example.com', 'Access-Control-Request-Method': 'POST' },
    })
    const allowed = response.headers.get('Access-Control-Allow-Headers')?.split(',')
    expect(allowed).toEqual(expect.arrayContaining(['traceparent', 'tracestate', 'baggage']))
  })
})

it('are accepted if OpenTelemetry accepts them, and never prevent the publish', async () => {
  // Characters of an HTTP header value.
  const anything = fc.string({ unit: fc.integer({ min: 32, max: 255 }).map((code) => String.fromCharCode(code)) })
  const hex = (length: number) =>
    fc.string({ unit: fc.constantFrom(...'0123456789abcdefAF0000'), minLength: length - 1, maxLength: length + 1 })
  const almost = fc
    .tuple(fc.constantFrom('00', '01', 'ff', '0'), hex(32), hex(16), hex(2), fc.constantFrom('', '-', '-x', ' '))
    .map(([version, trace, span, flags, rest]) => `${version}-${trace}-${span}-${flags}${rest}`)
  const mutated = fc
    .tuple(fc.nat(55), fc.nat(2), fc.string({ unit: fc.constantFrom(...'0fFx-, '), maxLength: 2 }))
    .map(([at, length, text]) => VALID.slice(0, at) + text + VALID.slice(at + length))
  const hostile = fc.oneof(anything, almost, mutated, fc.constant(VALID))
  let taken = 0
  await fc.assert(
    fc.asyncProperty(
      hostile,
      fc.oneof(anything, fc.constant('a=1')),
      hostile,
      async (traceparent, tracestate, baggage) => {
        const fields = new Map(await published({ traceparent, tracestate, baggage }))
        // HTTP removes surrounding spaces.
        const sent = traceparent.replace(/^[\t ]+|[\t ]+$/g, '')
        expect(fields.has('traceparent')).toBe(parseTraceParent(sent) !== null && !/[^!-~]/.test(sent))
        if (fields.has('traceparent')) taken++
        else expect(fields.has('tracestate')).toBe(false)
        for (const value of fields.values()) expect(value).toMatch(/^[\t -~]+$/)
      },
    ),
    { numRuns: 3_000, interruptAfterTimeLimit: 8_000, markInterruptAsFailure: false },
  )
  expect(taken).toBeGreaterThan(10)
})
