import type { BusOptions, ConnectOptions } from '../connect.ts'
import { guard, report } from '../kit/guard.ts'
import type { Transport } from '../transport/transport.ts'
import { webSocket } from '../transport/websocket/websocket.ts'
import { createLog, type LogOption } from './log-event.ts'
import { logTransport } from './logged-transport.ts'

/** Options of `connect` with a log. */
export type LoggedOptions<Contract> = BusOptions<Contract> & { readonly transport: Transport }

/**
 * Returns options for `connect` that report events of operation: changes of the connection, failed publishes and requests,
 * subscriptions that ended, events that are not valid, errors of handlers, and gaps. They replace the lines on the console
 * that a bus writes by default. `onInvalid`, `onError` and `onGap` of the options are also called.
 *
 * At most 20 events of one code are passed on per 10 s, except for `debug` events, which trace each operation.
 *
 * @example
 *     const bus = connect(logged({ url, events, token }, (event) => logger[event.level](event)))
 * @param log a function, or the lowest level of lines on the console. Default `info`
 * @throws SpanwireError `invalid-argument` as `connect`
 */
export function logged<Contract>(options: ConnectOptions<Contract>, log: LogOption = 'info'): LoggedOptions<Contract> {
  const write = createLog(log)
  const { onInvalid, onError, onGap } = options
  return {
    ...options,
    transport: logTransport(options.transport ?? webSocket(options), write),
    onInvalid(error, event) {
      const { subject, name, seq } = event
      write('warn', 'event-invalid', 'An event is not valid.', { fields: { subject, event: name, seq }, error })
      if (onInvalid) guard(onInvalid, report, [error, event])
    },
    onError(error, event) {
      const { subject, name, seq } = event
      write('error', 'handler-failed', 'A handler failed.', { fields: { subject, event: name, seq }, error })
      if (onError) guard(onError, report, [error, event])
    },
    onGap(gap) {
      const { reason, subject, stream, ranges } = gap
      const [first] = ranges
      const fields = { reason, subject, stream, from: first?.from, to: ranges.at(-1)?.to }
      const level = reason === 'disconnected' ? 'info' : 'warn'
      write(level, 'gap', 'Events are no longer available, or may have been missed.', { fields })
      if (onGap) guard(onGap, report, [gap])
    },
  }
}
