import type { BackoffOptions } from '../../kit/backoff.ts'
import type { LinkSocket } from '../link-socket.ts'
import type { OfflineOptions } from '../outbound.ts'
import type { ShareOptions } from '../shared/share.ts'
import type { TokenSource } from '../token.ts'

export interface WebSocketOptions {
  /**
   * `http(s)://` is the address of a bridge: `/nats` is appended to its path. `ws(s)://` is used as given: a plain
   * nats-server's listener (which takes any path), or a bridge's full address.
   */
  readonly url: string | URL
  /**
   * Sent as `auth_token`. If it is a string and is refused, the client closes; a function is asked again, and the
   * client closes after three refusals in a row, or when the function throws `authentication-failed`. It is also asked
   * shortly before a JWT expires: a bridge takes the new one on the live connection, and nothing is interrupted.
   */
  readonly token?: TokenSource
  readonly user?: string
  readonly pass?: string
  /** Shown in the server's monitoring. */
  readonly name?: string
  /** How long one attempt to connect may take, in ms. Default 10,000. */
  readonly connectTimeout?: number
  /**
   * In ms. Default 25,000: middleboxes cut at about 100 s of silence. A server that says nothing at all between a ping and
   * the next one is gone: noticed after two intervals at most, and within 5 s when a page is looked at again or the
   * browser says that it is online.
   */
  readonly pingInterval?: number
  /**
   * How a bridge is reached; of no account for a `ws(s)://` address. `sse` is plain HTTP: Server-Sent Events one way and
   * POST the other. `auto`, the default, falls back to that where a WebSocket can't be opened within 3 s or is refused
   * twice although the bridge answers by HTTP, and tries a WebSocket again ten minutes later.
   */
  readonly via?: 'websocket' | 'sse' | 'auto'
  /**
   * `true` (or options): all tabs of an origin use one connection, in a SharedWorker where there is one, else in one of
   * them; if that is closed or crashes another takes over. They must be of the same user. Default: each has its own.
   */
  readonly share?: boolean | ShareOptions
  readonly backoff?: BackoffOptions
  /** Opens the socket, such as one with headers or an agent of a package's. Default: the runtime's `WebSocket`. */
  readonly openSocket?: (url: string) => LinkSocket
  /** What is kept of publishes made while the connection isn't open. */
  readonly offline?: OfflineOptions
  /** Default `Math.random`. */
  readonly random?: () => number
}
