/** What `spanwire` is on Node, Deno and Bun: there `connect` dials `nats://` and `tls://`, too. */

import { type ConnectOptions, connect as connectAnywhere } from './connect.ts'
import type { Bus } from './contract/bus.ts'
import type { Events } from './contract/contract.ts'
import { nats } from './transport/nats/index.ts'

export * from './index.ts'

/** As `connect` of a browser, with two more kinds of URL. */
export function connect<Contract extends Events>(options: ConnectOptions<Contract>): Bus<Contract> {
  if (options.transport || !/^(nats|tls):/.test(String(options.url))) return connectAnywhere(options)
  return connectAnywhere({ ...options, transport: nats(options) })
}
