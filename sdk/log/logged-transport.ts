import type { ConnectionStatus, Transport, TransportMessage, TransportSubscription } from '../transport/transport.ts'
import { isSpanwireError } from '../wire/errors.ts'
import type { LogCode, LogLevel, WriteLog } from './log-event.ts'

/** A transport that logs changes of its status, and results of operations. */
export function logTransport(transport: Transport, write: WriteLog): Transport {
  transport.onStatus((status) => logStatus(write, status))

  function watch<Result>(operation: Promise<Result>, what: Watched): Promise<Result> {
    const began = performance.now()
    const { subject, bytes } = what
    const fields = () => ({ subject, bytes, ms: Math.round(performance.now() - began) })
    operation.then(
      () => write('debug', what.done[0], what.done[1], { fields: fields() }),
      (error) => write(levelOf(error, subject), what.failed[0], what.failed[1], { fields: fields(), error }),
    )
    // The caller handles its result.
    return operation
  }

  return {
    get edge() {
      return transport.edge
    },
    get status() {
      return transport.status
    },
    get maxPayload() {
      return transport.maxPayload
    },
    get apiLevel() {
      return transport.apiLevel
    },
    get unordered() {
      return transport.unordered === true
    },
    onStatus: (listener) => transport.onStatus(listener),
    publish: (subject, payload, options) =>
      watch(transport.publish(subject, payload, options), {
        subject,
        bytes: payload.byteLength,
        done: ['published', 'A message was published.'],
        failed: ['publish-failed', 'A message was not published.'],
      }),
    request: (subject, payload, options): Promise<TransportMessage> =>
      watch(transport.request(subject, payload, options), {
        subject,
        bytes: payload.byteLength,
        done: ['request-answered', 'A request was answered.'],
        failed: ['request-failed', 'A request failed.'],
      }),
    subscribe(filter, handler, options): TransportSubscription {
      const ended = (error: Error) => {
        const level = levelOf(error, filter)
        write(level, 'subscription-ended', 'A subscription ended.', { fields: { subject: filter }, error })
        handler.ended(error)
      }
      const subscription = transport.subscribe(
        filter,
        { message: (message) => handler.message(message), ended },
        options,
      )
      subscription.ready.then(
        () => write('debug', 'subscribed', 'A subscription is registered.', { fields: { subject: filter } }),
        () => {},
      )
      return subscription
    },
    flush: () => transport.flush(),
    drain: () => transport.drain(),
    close: () => transport.close(),
  }
}

interface Watched {
  readonly subject: string
  readonly bytes: number
  readonly done: readonly [LogCode, string]
  readonly failed: readonly [LogCode, string]
}

/** Errors that the application causes, and those of internal subjects, which the client handles itself. */
function levelOf(error: unknown, subject: string): LogLevel {
  const isOwn = isSpanwireError(error, 'aborted') || isSpanwireError(error, 'connection-closed')
  return isOwn || /^[$_]/.test(subject) ? 'debug' : 'warn'
}

function logStatus(write: WriteLog, { state, reason }: ConnectionStatus): void {
  if (state === 'open') return write('info', 'connection-open', 'Connected.')
  const fields = { error: reason?.code }
  const text = reason ? ` ${reason.message}` : ''
  if (state === 'closed')
    return write(reason ? 'error' : 'info', 'connection-closed', `The connection is closed.${text}`, { fields })
  if (state === 'reconnecting' || reason) write('warn', 'connection-lost', `There is no connection.${text}`, { fields })
}
