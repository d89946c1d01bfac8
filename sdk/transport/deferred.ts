import { SpanwireError } from '../errors.ts'
import { closedError } from './checks.ts'
import { StatusCell } from './status-cell.ts'
import type { Transport } from './transport.ts'

/** A transport whose code is still being loaded. */
export function deferred(load: () => Promise<Transport>): Transport {
  const cell = new StatusCell('connecting')
  let loaded: Transport | undefined
  const end = (error: SpanwireError) => {
    if (cell.status.state !== 'closed') cell.set('closed', error)
    return error
  }
  const loading = load().then(
    (transport) => {
      if (cell.status.state === 'closed') {
        void transport.close()
        throw closedError()
      }
      loaded = transport
      const follow = () => {
        const { state, reason } = transport.status
        cell.set(state, reason && new SpanwireError(reason.code, reason.message))
      }
      transport.onStatus(follow)
      follow()
      return transport
    },
    (cause) => {
      throw end(
        new SpanwireError(
          'unsupported',
          "nats:// URLs can't be used here: on a server, import { nats } from 'spanwire/nats' and give it as transport.",
          { cause },
        ),
      )
    },
  )
  loading.catch(() => {})
  const check = () => {
    if (cell.status.state === 'closed') throw closedError()
  }
  return {
    get status() {
      return cell.status
    },
    onStatus: (listener) => cell.listen(listener),
    publish: async (...args) => (await loading).publish(...args),
    request: async (...args) => (await loading).request(...args),
    flush: async () => (await loading).flush(),
    drain: async () => loaded?.drain(),
    async close() {
      await loaded?.close()
      end(closedError())
    },
    subscribe(filter, handler, options) {
      check()
      if (loaded) return loaded.subscribe(filter, handler, options)
      let ended = false
      const source = loading.then((transport) => {
        if (ended) throw new SpanwireError('aborted', 'The subscription was ended before the server had it.')
        return transport.subscribe(filter, handler, options)
      })
      source.catch((error) => !ended && handler.ended(error))
      const ready = source.then((subscription) => subscription.ready)
      ready.catch(() => {})
      const unsubscribe = () => {
        ended = true
        source.then(
          (subscription) => subscription.unsubscribe(),
          () => {},
        )
      }
      return {
        ready,
        unsubscribe,
        drain: () =>
          source.then(
            (subscription) => subscription.drain(),
            () => {},
          ),
      }
    },
  }
}
