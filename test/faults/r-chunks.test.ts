import { expect, test } from 'vitest'
import { Requests } from '../../bridge/hub/requests.ts'
import { upstreamLink } from '../../bridge/streams/upstream-link.ts'
import { createNatsUpstream } from '../../bridge/upstream/nats.ts'
import type { JetStreamMessage } from '../../sdk/jetstream/link.ts'
import { eventually } from '../support/eventually.ts'
import { startNatsServer } from '../support/nats-server.ts'

test('a message of a stream, which is kept, does not keep the chunk alive that it came in', async () => {
  await using nats = await startNatsServer()
  const upstream = createNatsUpstream({ url: nats.url })
  await eventually(() => upstream.state === 'open')
  const link = upstreamLink(upstream, new Requests(upstream))
  const kept: JetStreamMessage[] = []
  link.subscribe('s.>', (message) => void kept.push(message))
  upstream.subscribe('noise', undefined, () => {})
  for (let i = 0; i < 100; i++) {
    upstream.publish({ subject: 's.1', payload: new Uint8Array(10) })
    upstream.publish({ subject: 'noise', payload: new Uint8Array(60_000) })
  }
  await upstream.flush()
  const buffers = new Set(kept.map(({ payload }) => payload.buffer))
  const held = [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0)
  console.log(`${kept.length} messages of 10 bytes hold ${held} bytes`)
  expect(held).toBeLessThan(100_000)
  await upstream.close()
})
