/** Ways to a server other than a WebSocket of one's own: loaded when one may be wanted. */

import type { LinkSocket } from '../link-socket.ts'
import { detour } from '../sse/sse.ts'
import type { WebSocketOptions } from './websocket-options.ts'

/**
 * The connection that tabs share, or plain HTTP; undefined if neither is wanted, or to be had.
 * @param url the WebSocket's
 * @param attempts to open one that failed
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
  // Only a bridge has another one.
  return via !== 'websocket' && /^http/.test(`${given}`) ? detour(url, via, attempts) : undefined
}
