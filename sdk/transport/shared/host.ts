import { createMux, type Mux } from './mux.ts'
import { findLocks, isClosed, type Port } from './port.ts'

/** Longest silence of a tab without a lock, in ms. Clients send a PING every 25 s, or every minute in a background tab. */
const SILENCE = 5 * 60_000

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
        const { hello } = message
        const key = `${hello.via} ${hello.url}`
        // Tabs of a connection that retires connect again, to the next one.
        const mux = muxes.get(key) ?? createMux(hello, () => muxes.delete(key))
        muxes.set(key, mux)
        const over = new AbortController()
        const own: Port = {
          post(message) {
            if (isClosed(message)) over.abort()
            port.post(message)
          },
          receive: () => {},
        }
        const noteMessage = whileAlive(hello.lock, over.signal, () => mux.leave(own))
        port.receive = (message) => {
          noteMessage()
          if (isClosed(message)) over.abort()
          own.receive(message)
        }
        mux.join(own)
      }
    },
  }
}

/**
 * Calls `gone` when a tab has ended, also after a crash. The signal cancels it.
 * @param lock the lock that the tab holds. Without one, a long silence counts as its end
 * @returns a function to call with each message of the tab
 */
function whileAlive(lock: string | undefined, signal: AbortSignal, gone: () => void): () => void {
  if (lock !== undefined) {
    findLocks()
      ?.request(lock, { signal }, gone)
      .catch(() => {})
    return () => {}
  }
  let timer: ReturnType<typeof setTimeout> | undefined
  const wait = () => {
    clearTimeout(timer)
    if (!signal.aborted) timer = setTimeout(gone, SILENCE)
  }
  signal.addEventListener('abort', () => clearTimeout(timer))
  wait()
  return wait
}
