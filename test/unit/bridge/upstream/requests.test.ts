import { expect, it } from 'vitest'
import { createEmbeddedUpstream } from '../../../../bridge/broker/embedded.ts'
import { createJetStreamLink, Requests } from '../../../../bridge/upstream/requests.ts'
import type { JetStreamMessage } from '../../../../sdk/jetstream/jetstream-link.ts'

it('copies a message of a stream, so that it does not keep the received chunk alive', () => {
  const upstream = createEmbeddedUpstream()
  // Like a connection: views of one chunk with other messages.
  const chunk = new TextEncoder().encode(`NATS/1.0\r\nA: b\r\n\r\nhello${'.'.repeat(60_000)}`)
  const delivering: typeof upstream = Object.assign(Object.create(upstream), {
    subscribe(filter: string, _: undefined, deliver: (message: object) => void) {
      deliver({ subject: filter, headers: chunk.subarray(0, 18), payload: chunk.subarray(18, 23) })
      return () => {}
    },
  })
  const kept: JetStreamMessage[] = []
  createJetStreamLink(delivering, new Requests(upstream)).subscribe('s.1', (message) => kept.push(message))
  const parts = kept.flatMap(({ headerBlock = new Uint8Array(), payload }) => [headerBlock, payload])
  expect(parts.map((part) => new TextDecoder().decode(part))).toEqual(['NATS/1.0\r\nA: b\r\n\r\n', 'hello'])
  for (const part of parts) expect(part.buffer.byteLength).toBe(part.length)
})
