/** Connections other than a WebSocket of this page. Loaded on first use. */
import { readClaims } from '../claims.ts'
import type { LinkSocket } from '../link-socket.ts'
import { examine } from '../reach.ts'
import type { ShareOptions } from '../shared/share.ts'
import { createEvidence, probing, toAddress } from '../sse/detour.ts'
import { SseSocket } from '../sse/sse-socket.ts'
import type { WebSocketOptions } from './websocket-options.ts'

/**
 * Opens the connection that tabs share, a connection over plain HTTP, or a WebSocket.
 * @param failures failed attempts since the last connection
 */
export type Fallback = (token: string | undefined, failures: number) => Promise<LinkSocket>

/**
 * @param url URL of the WebSocket
 * @param leave leaves the connection for a better one
 */
export function createFallback(options: WebSocketOptions, url: string, leave: (reason: string) => void): Fallback {
  const { via, share, user, openSocket } = options
  const isBridge = /^http/.test(`${options.url}`)
  const evidence = createEvidence(url, via)
  const dial = () => openSocket?.(url) ?? (new WebSocket(url) as LinkSocket)

  async function join(way: string | undefined, cookies: boolean, given: ShareOptions): Promise<LinkSocket | undefined> {
    try {
      const { joinTabs } = await import('../shared/share.ts')
      return await joinTabs({ url, via: way, cookies }, given)
    } catch (error) {
      console.warn('spanwire: each tab has its own connection', error)
      return undefined
    }
  }

  const open: Fallback = async (token, failures) => {
    const cookies = token === undefined && user === undefined
    if (share) {
      const shared = await join(via, cookies, share === true ? {} : share)
      // Another tab or a worker has the connection, and does not report why it fails.
      if (shared && isBridge && failures > 0)
        void examine(toAddress(url)).then(({ isReady, error }) => {
          shared.why = isReady ? undefined : error
        })
      if (shared) return shared
    }
    if (!isBridge) return dial()
    const { isBlocked, why } = await evidence.weigh(failures)
    if (!isBlocked) return Object.assign(dial(), { why })
    // Over HTTP/1.1 a browser has six connections to a host. Tabs with an event stream each would use all of them.
    const name = share === false ? undefined : userOf(options, token)
    const socket = (name && (await join('sse', cookies, { name }))) || new SseSocket(url, { cookies })
    return Object.assign(via === 'sse' ? socket : probing(socket, url, dial), { why })
  }
  const onleave = () => leave('A WebSocket can be opened.')
  return async (token, failures) => Object.assign(await open(token, failures), { onleave })
}

/**
 * Returns a name for the tabs of one user, which may share a connection: the claims of the token without those of one
 * issue. Undefined outside of pages, and with a cookie only, because the user of a cookie may change.
 */
function userOf({ user, pass }: WebSocketOptions, token: string | undefined): string | undefined {
  if (!globalThis.document || (token === undefined && user === undefined)) return undefined
  const { iat, exp, nbf, jti, ...claims } = readClaims(token ?? '') ?? { token }
  return `detour ${JSON.stringify([user, pass, claims])}`
}
