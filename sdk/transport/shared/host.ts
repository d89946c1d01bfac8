import { createMux, type Mux } from './mux.ts'
import type { Port, PortMessage } from './port.ts'

/** The host of the connections: one for each URL, shared by the tabs with that URL. */
export interface Host {
  /** Adds the port of a tab, which will send `hello`. */
  accept(port: Port): void
}

export function createHost(): Host {
  const muxes = new Map<string, Mux>()
  return {
    accept(port) {
      port.receive = (message) => {
        if (message instanceof ArrayBuffer || !('hello' in message)) return
        const { url, via, lock } = message.hello
        const mux = muxes.get(url) ?? createMux(url, via)
        muxes.set(url, mux)
        const over = new AbortController()
        const listen = (message: PortMessage) => {
          if (!(message instanceof ArrayBuffer) && 'closed' in message) over.abort()
          return message
        }
        const own: Port = { post: (message) => port.post(listen(message)), receive: () => {} }
        port.receive = (message) => own.receive(listen(message))
        mux.join(own)
        // Granted when the tab has ended, also after a crash.
        navigator.locks.request(lock, { signal: over.signal }, () => mux.leave(own)).catch(() => {})
      }
    },
  }
}
