/** The entry `spanwire/log` for Node, Deno and Bun: its `logged` also accepts `nats://` and `tls://`. */
import type { ConnectOptions } from '../connect.ts'
import { nats } from '../transport/nats/index.ts'
import type { LogOption } from './log-event.ts'
import { type LoggedOptions, logged as loggedAnywhere } from './logged.ts'

export * from './index.ts'

/**
 * Returns options for `connect` that report events of operation.
 *
 * @example
 *     const bus = connect(logged({ url: 'nats://127.0.0.1:4222', events }, 'warn'))
 * @param log a function, or the lowest level of lines on the console. Default `info`
 * @throws SpanwireError `invalid-argument` as `connect`
 */
export function logged<Contract>(options: ConnectOptions<Contract>, log?: LogOption): LoggedOptions<Contract> {
  if (options.transport || !/^(nats|tls):/.test(String(options.url))) return loggedAnywhere(options, log)
  return loggedAnywhere({ ...options, transport: nats(options) }, log)
}
