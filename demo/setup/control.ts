import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A server on loopback by which the demo's Worker kills nats-server. */
export interface Control {
  /** Its address. The path is a secret, so that other programs of this machine cannot guess it. */
  readonly url: string
  stop(): Promise<void>
}

/** Starts a server that calls `kill` on a POST to its address. */
export async function startControl(kill: () => void): Promise<Control> {
  const path = `/${randomBytes(32).toString('base64url')}`
  const server = createServer((request, response) => {
    const isRight = request.method === 'POST' && request.url === path
    if (isRight) kill()
    response.writeHead(isRight ? 202 : 404).end()
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`,
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
