import type { AckPolicy } from 'nats.ws'
import { connect } from 'nats.ws'
import { describe, expect, it } from 'vitest'
import { serve } from '../../bridge/hosts/node.ts'
import { rootToken, SECRET } from '../support/token.ts'
import { startWorker } from '../support/workerd.ts'

const hosts = {
  'on Node': async () => {
    const { url, close } = await serve({ upstream: 'embedded', auth: { secret: SECRET } })
    return { url, [Symbol.asyncDispose]: close }
  },
  "in workerd, in the Durable Object's storage": async () => {
    const { url, stop } = await startWorker({ secret: SECRET })
    return { url, [Symbol.asyncDispose]: stop }
  },
}

describe.each(Object.entries(hosts))(
  'the stock client nats.ws over a bridge with the embedded upstream %s',
  (_, start) => {
    it('manages streams, publishes with acknowledgement, consumes and watches a key-value bucket', async () => {
      await using server = await start()
      const connection = await connect({
        servers: `${server.url.replace('http', 'ws')}/nats`,
        token: await rootToken(),
      })
      const manager = await connection.jetstreamManager()
      await manager.streams.add({ name: 'S', subjects: ['s.>'] })
      const stream = connection.jetstream()
      for (let seq = 1; seq <= 5; seq++) {
        const ack = await stream.publish('s.a', `m${seq}`, { msgID: `id${seq}` })
        expect(ack).toMatchObject({ stream: 'S', seq, duplicate: false })
      }
      expect(await stream.publish('s.a', 'again', { msgID: 'id3' })).toMatchObject({ seq: 3, duplicate: true })
      const read: number[] = []
      const ordered = await stream.consumers.get('S')
      for await (const message of await ordered.consume()) if (read.push(message.seq) === 5) break
      expect(read).toEqual([1, 2, 3, 4, 5])
      await manager.consumers.add('S', { durable_name: 'd', ack_policy: 'explicit' as AckPolicy })
      const durable = await stream.consumers.get('S', 'd')
      const message = await durable.next()
      expect(await message?.ackAck()).toBe(true)
      expect((await manager.consumers.info('S', 'd')).ack_floor.stream_seq).toBe(1)
      const bucket = await stream.views.kv('settings')
      await bucket.put('color', 'red')
      await bucket.put('color', 'blue')
      expect((await bucket.get('color'))?.string()).toBe('blue')
      await connection.close()
    }, 30_000)
  },
)
