import { SseSocket } from './sse-socket.ts'

/** How long a bridge is reached without a WebSocket before one is tried again, in ms. */
const REMEMBERED = 10 * 60_000
/** How long to wait for a word from the bridge, in ms. */
const PATIENCE = 5_000

/** Until when each address is reached without a WebSocket. */
const detours = new Map<string, number>()

/**
 * The way around a network that lets no WebSocket through: a socket over plain HTTP, or undefined if there is no need for
 * it, or if the bridge can't be reached by HTTP either.
 * @param url the WebSocket's
 * @param attempts to open one that failed
 */
export async function detour(url: string, via: string | undefined, attempts: number): Promise<SseSocket | undefined> {
  if (via !== 'sse' && Date.now() > (detours.get(url) ?? 0)) {
    if (attempts < 2 || !(await answers(url))) return undefined
    detours.set(url, Date.now() + REMEMBERED)
  }
  return new SseSocket(url)
}

/** Whether the bridge is there, whatever it says of NATS. One that is being replaced refuses everybody. */
async function answers(url: string): Promise<boolean> {
  const health = url.replace(/^ws/, 'http').replace(/\/nats\/?(\?.*)?$/, '/healthz')
  try {
    const response = await fetch(health, { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE) })
    return (await response.json()).status !== 'draining'
  } catch {
    return false
  }
}
