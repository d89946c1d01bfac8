/** Ways to a server other than a WebSocket of one's own: loaded when one may be wanted. */
import type { SpanwireError } from '../../wire/errors.ts'
import { readClaims } from '../claims.ts'
import type { LinkSocket } from '../link-socket.ts'
import { examine } from '../reach.ts'
import type { ShareOptions } from '../shared/share.ts'
import { createEvidence, probing, toAddress } from '../sse/detour.ts'
import { SseSocket } from '../sse/sse-socket.ts'
import type { WebSocketOptions } from './websocket-options.ts'

/** An attempt to connect. */
export interface Attempt {
  readonly token: string | undefined
  /** Attempts that failed since the last connection. */
  readonly failures: number
  /** Called with the reason why there is no connection, or undefined if the next attempt may succeed. */
  explain(error: SpanwireError | undefined): void
}

/** Opens the connection that tabs share, or plain HTTP. Resolves with undefined if neither is wanted or possible. */
export type Fallback = (attempt: Attempt) => Promise<LinkSocket | undefined>

/** @param url of the WebSocket */
export function createFallback(options: WebSocketOptions, url: string): Fallback {
  const { via, share, user, openSocket } = options
  const isBridge = /^http/.test(`${options.url}`)
  const evidence = createEvidence(url, via)

  async function join(way: string | undefined, cookies: boolean, given: ShareOptions): Promise<LinkSocket | undefined> {
    try {
      const { joinTabs } = await import('../shared/share.ts')
      return await joinTabs({ url, via: way, cookies }, given)
    } catch (error) {
      console.warn('spanwire: tabs have a connection each', error)
      return undefined
    }
  }

  return async ({ token, failures, explain }) => {
    const cookies = token === undefined && user === undefined
    if (share) {
      const shared = await join(via, cookies, share === true ? {} : share)
      // Another tab, or a worker, has the connection, and knows why there is none.
      if (shared && isBridge && failures > 0)
        void examine(toAddress(url)).then(({ isReady, error }) => explain(isReady ? undefined : error))
      if (shared) return shared
    }
    if (!isBridge || !(await evidence.isBlocked(failures, explain))) return undefined
    // Over HTTP/1.1 a browser has six connections to a host: tabs with an event stream each would use them up.
    const name = share === false ? undefined : userOf(options, token)
    const socket = (name && (await join('sse', cookies, { name }))) || new SseSocket(url, { cookies })
    return via === 'sse' ? socket : probing(socket, url, () => openSocket?.(url) ?? (new WebSocket(url) as LinkSocket))
  }
}

/**
 * A name for tabs of the same user, who may share a connection: the claims of their tokens without what differs from one
 * token to the next. Undefined outside of pages, and where only a cookie says who the user is: it may change.
 */
function userOf({ user, pass }: WebSocketOptions, token: string | undefined): string | undefined {
  if (!globalThis.document || (token === undefined && user === undefined)) return undefined
  const { iat, exp, nbf, jti, ...claims } = readClaims(token ?? '') ?? { token }
  return `detour ${JSON.stringify([user, pass, claims])}`
}
