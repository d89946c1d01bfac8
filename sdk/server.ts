/** The entry `spanwire` for Node, Deno and Bun: its `connect` also accepts `nats://` and `tls://`. */

import { type ConnectOptions, connect as connectAnywhere } from './connect.ts'
import type { Bus } from './contract/bus.ts'
import type { Events } from './contract/contract.ts'
import { nats } from './transport/nats/index.ts'

export * from './index.ts'

/**
 * Connects to a bridge or to NATS, also by `nats://` and `tls://`.
 *
 * @example
 *     const bus = connect({ url: 'nats://127.0.0.1:4222', events })
 * @throws SpanwireError `invalid-argument` for a URL with another scheme
 */
export function connect<Contract extends Events>(options: ConnectOptions<Contract>): Bus<Contract> {
  if (options.transport || !/^(nats|tls):/.test(String(options.url))) return connectAnywhere(options)
  return connectAnywhere({ ...options, transport: nats(options) })
}
