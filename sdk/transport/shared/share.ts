/** One connection for all tabs of an origin: loaded if the option `share` is set. */
import { randomToken } from '../../kit/ids.ts'
import type { LinkSocket } from '../link-socket.ts'
import { joinByElection } from './election.ts'
import { findLocks, type Hello, hostLock, isClosed, type Port } from './port.ts'
import { openTabSocket } from './tab-socket.ts'

/** Options of a shared connection. */
export interface ShareOptions {
  /** Tabs with the same name share a connection. Use one for each account, because it has one user. Default `default`. */
  readonly name?: string
  /**
   * Where `spanwire/shared-worker` is served. Default: next to the module, where bundlers put it. Where it can't be
   * loaded, the tabs elect one of them to have the connection.
   */
  readonly worker?: string | URL
}

/** Time for a SharedWorker to start, in ms. Browsers do not always report that a policy forbids it. */
const PATIENCE = 5_000

/** URLs of SharedWorkers that could not be started. */
const broken = new Set<string>()

/** Opens a socket on the shared connection. Undefined if tabs cannot share one. */
export async function joinTabs(
  { url, via, cookies = false }: Omit<Hello, 'lock'>,
  { name = 'default', worker }: ShareOptions,
): Promise<LinkSocket | undefined> {
  const lock = await holdLock().catch(() => undefined)
  const hello: Hello = { url, via, cookies, lock }
  const room = `spanwire ${name}`
  return joinWorker(room, worker, hello) ?? elect(room, hello)
}

function elect(name: string, hello: Hello): LinkSocket | undefined {
  if (hello.lock === undefined) return undefined
  try {
    return joinByElection(name, hello)
  } catch {
    // There is no BroadcastChannel, or this page may not open one.
    return undefined
  }
}

function joinWorker(name: string, worker: string | URL | undefined, hello: Hello): LinkSocket | undefined {
  const address = `${worker}`
  if (broken.has(address)) return undefined
  let shared: SharedWorker
  try {
    // Bundlers recognise this form. Throws if the module has another origin than the page, or if the page does not accept
    // the URL (Trusted Types, Content-Security-Policy).
    shared =
      worker === undefined
        ? new SharedWorker(new URL('./shared-worker.js', import.meta.url), { type: 'module', name })
        : new SharedWorker(worker, { type: 'module', name })
  } catch {
    broken.add(address)
    return undefined
  }
  const over = new AbortController()
  const port: Port = {
    post(message) {
      if (isClosed(message)) over.abort()
      shared.port.postMessage(message)
    },
    receive: () => {},
  }
  const lost = (reason: string) => {
    over.abort()
    port.receive({ closed: { code: 1006, reason } })
  }
  const fail = () => {
    clearTimeout(timer)
    // The client connects again, then by election.
    broken.add(address)
    lost('the shared worker could not be loaded')
  }
  const timer = setTimeout(fail, PATIENCE)
  let isKnown = false
  shared.port.onmessage = ({ data }) => {
    clearTimeout(timer)
    if (!isKnown) watch(name, over.signal, () => lost('the shared worker is gone'))
    isKnown = true
    port.receive(data)
  }
  shared.onerror = fail
  if (hello.lock === undefined)
    // Without locks, the worker detects the end of this page by this message.
    addEventListener('pagehide', () => lost('the page is hidden'), { signal: over.signal })
  return openTabSocket(port, hello)
}

/** Calls `gone` when the worker has ended: browsers run it in the process of a tab, which may crash. */
function watch(name: string, signal: AbortSignal, gone: () => void): void {
  findLocks()
    ?.request(hostLock(name), { mode: 'shared', signal }, gone)
    .catch(() => {})
}

let held: Promise<string | undefined> | undefined

/** Takes a lock while this tab exists. By it, others detect that the tab has ended. Undefined without Web Locks. */
function holdLock(): Promise<string | undefined> {
  held ??= new Promise((resolve, reject) => {
    const lock = `spanwire tab ${randomToken(16)}`
    const locks = findLocks()
    if (!locks) return resolve(undefined)
    locks
      .request(lock, () => {
        resolve(lock)
        return new Promise(() => {})
      })
      // Rejects if storage is blocked.
      .catch(reject)
  })
  return held
}
