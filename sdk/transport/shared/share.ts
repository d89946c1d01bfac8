/** One connection for all tabs of an origin: loaded if it is asked for. */
import { randomToken } from '../../kit/ids.ts'
import type { LinkSocket } from '../link-socket.ts'
import { joinByElection } from './election.ts'
import { type Hello, hostLock, type Port } from './port.ts'
import { openTabSocket } from './tab-socket.ts'

export interface ShareOptions {
  /** Tabs of the same name share. Give each account its own: the connection has one user. Default `default`. */
  readonly name?: string
  /**
   * Where `spanwire/shared-worker` is served. Default: beside the module, as bundlers put it that know of workers. Where
   * it can't be loaded the tabs elect one of them to have the connection.
   */
  readonly worker?: string | URL
}

/** SharedWorkers that can't be loaded. */
const broken = new Set<string>()

/** This tab's place at the shared connection; undefined where tabs can't share. */
export async function joinTabs(
  url: string,
  via: string | undefined,
  { name = 'default', worker = new URL('./shared-worker.js', import.meta.url) }: ShareOptions,
): Promise<LinkSocket | undefined> {
  // Not everywhere, whatever the types say.
  if (!(navigator as { locks?: LockManager }).locks) return undefined
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
      // Granted once the worker is gone: browsers run it in the process of a tab, which may crash.
      navigator.locks
        .request(hostLock(name), { mode: 'shared', signal: over.signal }, () => lost('the shared worker is gone'))
        .catch(() => {})
    }
    port.receive(data)
  }
  shared.onerror = () => {
    // The client comes again, and then by election.
    broken.add(address)
    lost('the shared worker is not there')
  }
  return openTabSocket(port, hello)
}

let held: Promise<string> | undefined

/** A lock for as long as this tab lives, by which others notice that it is gone. */
function holdLock(): Promise<string> {
  held ??= new Promise((resolve, reject) => {
    const lock = `spanwire tab ${randomToken(16)}`
    navigator.locks
      .request(lock, () => {
        resolve(lock)
        return new Promise(() => {})
      })
      // Where storage is blocked.
      .catch(reject)
  })
  return held
}
