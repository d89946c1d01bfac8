/** Connections other than a WebSocket of this page. Loaded on first use. */

import { pause } from '../../kit/pause.ts'
import { SpanwireError } from '../../wire/errors.ts'
import { readClaims } from '../claims.ts'
import type { LinkSocket } from '../link-socket.ts'
import { examine } from '../reach.ts'
import type { ShareOptions } from '../shared/share.ts'
import { createEvidence, probing, toAddress } from '../sse/detour.ts'
import { SseSocket } from '../sse/sse-socket.ts'
import type { WebSocketOptions } from './websocket-options.ts'

/** Time after which the silence of a first attempt is examined, in ms. See lifecycle.ts. */
const SILENCE = 3_000
/** Longest time of an answer at once, in ms. A bridge that has many clients to admit takes longer. */
const PROMPT = 1_000

/** The ways to reach a bridge, and the decision between them. */
export interface Fallback {
  /**
   * Opens the connection that tabs share, a connection over plain HTTP, or a WebSocket.
   * @param wasLive whether the last attempt opened a connection, which was lost. Otherwise it has failed. Undefined for the
   * first attempt
   */
  open(token: string | undefined, wasLive: boolean | undefined): Promise<LinkSocket>
  /**
   * Waits for a WebSocket without an answer while it may come. A network that blocks WebSockets is found by a request that
   * overtakes it. A bridge with many clients to admit answers all of them late. Called after 3 s of the first attempt, and
   * after `limit` of others.
   * @param limit time for the whole attempt, in ms
   * @param redials number of attempts before this one
   * @param isAnswered whether the WebSocket has brought bytes
   * @returns the error that ends the attempt
   */
  outwait(limit: number, redials: number, isAnswered: () => boolean): Promise<SpanwireError>
}

/**
 * @param url URL of the WebSocket
 * @param leave leaves the connection for a better one
 */
export function createFallback(options: WebSocketOptions, url: string, leave: (reason: string) => void): Fallback {
  const { via, share, user, openSocket } = options
  const isBridge = /^http/.test(`${options.url}`)
  const evidence = createEvidence(url, via)
  /** Failed attempts since the last connection. */
  let failures = 0
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

  async function open(token: string | undefined): Promise<LinkSocket> {
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

  /** Resolves if the bridge answers another request at once while the WebSocket is silent. */
  async function overtaken(isAnswered: () => boolean): Promise<void> {
    if (isBridge && !via && !share) {
      const { isReady, took } = await examine(toAddress(url))
      if (isReady && took < PROMPT && !isAnswered()) return
    }
    return new Promise(() => {})
  }

  const onleave = () => leave('A WebSocket can be opened.')
  return {
    async open(token, wasLive) {
      failures = wasLive === false ? failures + 1 : 0
      return Object.assign(await open(token), { onleave })
    },
    async outwait(limit, redials, isAnswered) {
      if (redials === 0) await Promise.race([pause(limit - SILENCE), overtaken(isAnswered)])
      // One attempt without an answer counts as two that were refused.
      failures++
      return new SpanwireError('connection-refused', `No connection within ${limit} ms.`)
    },
  }
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
