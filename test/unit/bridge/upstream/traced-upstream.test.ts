import { expect, it } from 'vitest'
import { createEmbeddedUpstream } from '../../../../bridge/broker/embedded.ts'
import { type BridgeSpans, traceUpstream } from '../../../../bridge/upstream/traced-upstream.ts'
import type { UpstreamMessage } from '../../../../bridge/upstream/upstream.ts'
import { encodeHeaders, parseHeaders } from '../../../../sdk/wire/headers.ts'
import { eventually } from '../../../support/eventually.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const parentOf = (message: UpstreamMessage | undefined) =>
  message?.headers && parseHeaders(message.headers).fields.find(([name]) => name === 'traceparent')?.[1]

/** An upstream whose spans are recorded, with the messages of the filter `a`. */
function tracedUpstream() {
  const log: string[] = []
  const received: UpstreamMessage[] = []
  const spans: BridgeSpans = {
    start(kind, subject, traceparent) {
      log.push(`${kind} ${subject} ${traceparent.split('-')[2]}`)
      const id = kind === 'publish' ? '1'.repeat(16) : '2'.repeat(16)
      return {
        traceparent: `00-${TRACE}-${id}-01`,
        end: (error) => log.push(`end ${kind}${error ? ` ${(error as Error).message}` : ''}`),
      }
    },
  }
  const turn: Array<() => void> = []
  const upstream = traceUpstream(createEmbeddedUpstream(), spans, (run) => turn.push(run))
  upstream.subscribe('a', undefined, (message) => received.push(message))
  const publish = (fields?: ReadonlyArray<readonly [string, string]>) =>
    upstream.publish({
      subject: 'a',
      payload: new Uint8Array([1, 2]),
      ...(fields && { headers: encodeHeaders(fields) }),
    })
  return { log, received, turn, publish, upstream }
}

it('makes each span of a sampled trace the parent of the next, and ends it when its step is done', async () => {
  const { log, received, turn, publish } = tracedUpstream()
  publish([
    ['x', 'y'],
    ['traceparent', `00-${TRACE}-b7ad6b7169203331-01`],
    ['z', 'é'],
  ])
  await eventually(() => received.length === 1 && log.length === 3)
  expect(log).toEqual(
    expect.arrayContaining(['publish a b7ad6b7169203331', 'deliver a 1111111111111111', 'end publish']),
  )
  expect(parentOf(received[0])).toBe(`00-${TRACE}-2222222222222222-01`)
  const [message] = received
  expect(message?.headers && parseHeaders(message.headers).fields).toMatchObject([
    ['x', 'y'],
    ['traceparent', expect.anything()],
    ['z', 'é'],
  ])
  for (const run of turn) run()
  expect(log.at(-1)).toBe('end deliver')
})

it('leaves other messages as they are', async () => {
  const { log, received, publish } = tracedUpstream()
  publish()
  publish([['traceparent', `00-${TRACE}-b7ad6b7169203331-00`]])
  publish([['traceparent', 'nonsense']])
  publish([['x-traceparent', `00-${TRACE}-b7ad6b7169203331-01`]])
  await eventually(() => received.length === 4)
  expect(log).toEqual([])
  expect(parentOf(received[1])).toBe(`00-${TRACE}-b7ad6b7169203331-00`)
})

it('ends the span of a publish that is refused with the error, and throws it', async () => {
  const { log, publish, upstream } = tracedUpstream()
  await upstream.close()
  expect(() => publish([['traceparent', `00-${TRACE}-b7ad6b7169203331-01`]])).toThrow('closed')
  expect(log[1]).toMatch(/^end publish .*closed/)
})
