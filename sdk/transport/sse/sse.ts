import { SseSocket } from './sse-socket.ts'

/** Time until a WebSocket is tried again after the fallback, in ms. */
const REMEMBERED = 10 * 60_000
/** Time for an answer of the bridge, in ms. */
const PATIENCE = 5_000

/** End of the fallback for each URL. */
const detours = new Map<string, number>()

/**
 * Opens the fallback for networks without WebSockets: a socket over HTTP. Undefined if it is not needed, or if the bridge
 * does not answer by HTTP.
 * @param url URL of the WebSocket
 * @param attempts number of failed attempts to open a WebSocket
 */
export async function detour(url: string, via: string | undefined, attempts: number): Promise<SseSocket | undefined> {
  if (via !== 'sse' && Date.now() > (detours.get(url) ?? 0)) {
    if (attempts < 2 || !(await answers(url))) return undefined
    detours.set(url, Date.now() + REMEMBERED)
  }
  return new SseSocket(url)
}

/** Whether the bridge answers. A bridge that drains refuses connections. */
async function answers(url: string): Promise<boolean> {
  const health = url.replace(/^ws/, 'http').replace(/\/nats\/?(\?.*)?$/, '/healthz')
  try {
    const response = await fetch(health, { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE) })
    return (await response.json()).status !== 'draining'
  } catch {
    return false
  }
}
