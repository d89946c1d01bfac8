import { expect, it } from 'vitest'
import { createEmbeddedUpstream } from '../../../../bridge/broker/embedded.ts'
import { upstreamLink } from '../../../../bridge/upstream/jetstream-link.ts'
import { Requests } from '../../../../bridge/upstream/requests.ts'
import type { JetStreamMessage } from '../../../../sdk/jetstream/jetstream-link.ts'

it('a message of a stream, which may be kept, does not keep the chunk that it came in', () => {
  const upstream = createEmbeddedUpstream()
  // As a connection delivers: views of what came in one piece, other people's messages among it.
  const chunk = new TextEncoder().encode(`NATS/1.0\r\nA: b\r\n\r\nhello${'.'.repeat(60_000)}`)
  const delivering: typeof upstream = Object.assign(Object.create(upstream), {
    subscribe(filter: string, _: undefined, deliver: (message: object) => void) {
      deliver({ subject: filter, headers: chunk.subarray(0, 18), payload: chunk.subarray(18, 23) })
      return () => {}
    },
  })
  const kept: JetStreamMessage[] = []
  upstreamLink(delivering, new Requests(upstream)).subscribe('s.1', (message) => kept.push(message))
  const parts = kept.flatMap(({ headerBlock = new Uint8Array(), payload }) => [headerBlock, payload])
  expect(parts.map((part) => new TextDecoder().decode(part))).toEqual(['NATS/1.0\r\nA: b\r\n\r\n', 'hello'])
  for (const part of parts) expect(part.buffer.byteLength).toBe(part.length)
})
