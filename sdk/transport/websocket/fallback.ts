/** Sockets other than a WebSocket of this tab: loaded when one may be needed. */

import type { LinkSocket } from '../link-socket.ts'
import { detour } from '../sse/sse.ts'
import type { WebSocketOptions } from './websocket-options.ts'

/**
 * Opens the connection that tabs share, or the SSE fallback. Undefined if neither is enabled or available.
 * @param url URL of the WebSocket
 * @param attempts number of failed attempts to open a WebSocket
 */
export async function openOtherWay(
  { url: given, via, share }: WebSocketOptions,
  url: string,
  attempts: number,
): Promise<LinkSocket | undefined> {
  if (share) {
    const { joinTabs } = await import('../shared/share.ts')
    const shared = await joinTabs(url, via, share === true ? {} : share)
    if (shared) return shared
  }
  // Only a bridge supports the fallback.
  return via !== 'websocket' && /^http/.test(`${given}`) ? detour(url, via, attempts) : undefined
}
