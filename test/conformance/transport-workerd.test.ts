import { http } from '../../sdk/transport/http/index.ts'
import { webSocket } from '../../sdk/transport/websocket/websocket.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { createToken, SECRET } from '../support/token.ts'
import { startWorker } from '../support/workerd.ts'
import { behindProxy } from './behind-proxy.ts'
import { transportConformance } from './transport.ts'

const backoff = { first: 50, longest: 200 }
const rules = { allow: ['>'], deny: ['denied.>'] }
const token = () => createToken({ pub: rules, subscribe: rules })

async function start() {
  const server = await startNatsServer({ jetstream: true })
  const worker = await startWorker({ secret: SECRET, upstream: server.url })
  const stop = async () => {
    await worker.stop()
    await server[Symbol.asyncDispose]()
  }
  return { url: worker.url, stop }
}

for (const via of ['websocket', 'sse'] as const)
  transportConformance(`${via} against the Worker in workerd`, async () => {
    const { url, stop } = await start()
    const port = Number(new URL(url).port)
    return behindProxy(
      port,
      (address, options) => webSocket({ url: `http://${address}`, via, token, backoff, ...options }),
      stop,
      // workerd notices that the client of a response left at the second comment after that.
      via === 'sse' ? 11_000 : 0,
    )
  })

transportConformance(
  'http against the Worker in workerd',
  async () => {
    const { url, stop } = await start()
    return {
      connect: () => http({ url, token }),
      connectReceiver: () => webSocket({ url, token, backoff }),
      [Symbol.asyncDispose]: stop,
    }
  },
  false,
)
