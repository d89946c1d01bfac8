/** A process that stores messages at full speed and prints the sequence of each acknowledgement, for tests that kill it. */
import { createEmbeddedUpstream } from '../../bridge/broker/embedded.ts'

const [path = ''] = process.argv.slice(2)
const upstream = createEmbeddedUpstream({ path })
const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))
upstream.subscribe('acks', undefined, ({ payload }) => {
  const { seq } = JSON.parse(new TextDecoder().decode(payload))
  process.stdout.write(`${seq}\n`)
})
upstream.publish({ subject: '$JS.API.STREAM.CREATE.S', payload: encode({ name: 'S', subjects: ['s'] }) })
let count = 0
setInterval(() => {
  for (let i = 0; i < 20; i++) {
    const headers = new TextEncoder().encode(`NATS/1.0\r\nNats-Msg-Id: id-${++count}\r\n\r\n`)
    upstream.publish({ subject: 's', reply: 'acks', headers, payload: encode(count) })
  }
}, 1)
