/** One connection for all tabs of an origin: loaded if the option `share` is set. */
import { randomToken } from '../../kit/ids.ts'
import type { LinkSocket } from '../link-socket.ts'
import { joinByElection } from './election.ts'
import { type Hello, hostLock, type Port } from './port.ts'
import { openTabSocket } from './tab-socket.ts'

/** Options of a shared connection. */
export interface ShareOptions {
  /** Tabs with the same name share a connection. Use one for each account, because it has one user. Default `default`. */
  readonly name?: string
  /**
   * URL of `spanwire/shared-worker`. Default: next to the module, where bundlers with support for workers put it. If it
   * cannot be loaded, the tabs elect one of them as the host.
   */
  readonly worker?: string | URL
}

/** URLs of SharedWorkers that could not be loaded. */
const broken = new Set<string>()

/** Opens a socket on the shared connection. Undefined if tabs cannot share one. */
export async function joinTabs(
  url: string,
  via: string | undefined,
  { name = 'default', worker = new URL('./shared-worker.js', import.meta.url) }: ShareOptions,
): Promise<LinkSocket | undefined> {
  // Undefined in some browsers, contrary to its type.
  const { locks }: { readonly locks?: LockManager } = navigator
  if (!locks) return undefined
  const lock = await holdLock().catch(() => undefined)
  if (lock === undefined) return undefined
  const hello = { url, via, lock }
  const room = `spanwire ${name}`
  if (typeof SharedWorker === 'undefined' || broken.has(`${worker}`)) return joinByElection(room, hello)
  return joinWorker(`${worker}`, room, hello)
}

function joinWorker(address: string, name: string, hello: Hello): LinkSocket {
  const shared = new SharedWorker(address, { name, type: 'module' })
  const over = new AbortController()
  const port: Port = {
    post(message) {
      if (!(message instanceof ArrayBuffer) && 'closed' in message) over.abort()
      shared.port.postMessage(message)
    },
    receive: () => {},
  }
  const lost = (reason: string) => {
    over.abort()
    port.receive({ closed: { code: 1006, reason } })
  }
  let greeted = false
  shared.port.onmessage = ({ data }) => {
    if (!greeted) {
      greeted = true
      // Granted when the worker has ended: browsers run it in the process of a tab, which may crash.
      navigator.locks
        .request(hostLock(name), { mode: 'shared', signal: over.signal }, () => lost('the shared worker has ended'))
        .catch(() => {})
    }
    port.receive(data)
  }
  shared.onerror = () => {
    // The client connects again, then by election.
    broken.add(address)
    lost('the shared worker could not be loaded')
  }
  return openTabSocket(port, hello)
}

let held: Promise<string> | undefined

/** Takes a lock while this tab exists. By it, others detect that the tab has ended. */
function holdLock(): Promise<string> {
  held ??= new Promise((resolve, reject) => {
    const lock = `spanwire tab ${randomToken(16)}`
    navigator.locks
      .request(lock, () => {
        resolve(lock)
        return new Promise(() => {})
      })
      // Rejects if storage is blocked.
      .catch(reject)
  })
  return held
}
