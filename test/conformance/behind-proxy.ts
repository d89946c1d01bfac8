import type { OfflineOptions } from '../../sdk/transport/outbound.ts'
import type { Transport } from '../../sdk/transport/transport.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import type { TransportFixture } from './transport.ts'

export interface Options {
  readonly offline?: OfflineOptions
}

/** A fixture for transports to a server on `port`, through a proxy that simulates network faults. */
export async function behindProxy(
  port: number,
  connect: (address: string, options?: Options) => Transport | Promise<Transport>,
  stop: () => Promise<void>,
  noticedAfter = 0,
): Promise<TransportFixture> {
  const proxy = await startFaultProxy(port)
  return {
    connect: (options) => connect(`127.0.0.1:${proxy.port}`, options),
    network: {
      down() {
        proxy.refuse()
        proxy.cut()
      },
      up() {
        proxy.resume()
        proxy.accept()
      },
      swallow: () => proxy.pause(),
      noticedAfter,
    },
    async [Symbol.asyncDispose]() {
      await proxy.close()
      await stop()
    },
  }
}
