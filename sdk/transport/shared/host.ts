import { createMux, type Mux } from './mux.ts'
import type { Port, PortMessage } from './port.ts'

/** Takes in tabs, each at the connection that it names: one for each address. */
export interface Host {
  /** A port on which a tab will say `hello`. */
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
        // Granted once the tab is gone, whatever became of it.
        navigator.locks.request(lock, { signal: over.signal }, () => mux.leave(own)).catch(() => {})
      }
    },
  }
}
