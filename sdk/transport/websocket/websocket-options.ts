import type { BackoffOptions } from '../../kit/backoff.ts'
import type { LinkSocket } from '../link-socket.ts'
import type { OfflineOptions } from '../outbound.ts'
import type { ShareOptions } from '../shared/share.ts'
import type { TokenSource } from '../token.ts'

/** Options of {@link webSocket}. */
export interface WebSocketOptions {
  /**
   * `http(s)://` is the address of a bridge: `/nats` is appended to its path. `ws(s)://` is used unchanged: the WebSocket
   * listener of nats-server, which accepts any path, or the full address of a bridge.
   */
  readonly url: string | URL
  /**
   * Sent as `auth_token`. If the server refuses a string, the client closes. A function is called before each connection.
   * The client closes after three refusals in a row, or when the function throws `authentication-failed`. The function is
   * also called shortly before a JWT expires. A bridge accepts the new token on the live connection.
   */
  readonly token?: TokenSource
  /** User name of nats-server. */
  readonly user?: string
  /** Password of nats-server. */
  readonly pass?: string
  /** Name of the connection in the server's monitoring. */
  readonly name?: string
  /** Time for one attempt to connect, in ms. Default 10,000. */
  readonly connectTimeout?: number
  /**
   * Time between two PINGs, in ms. Default 25,000: middleboxes cut connections after about 100 s of silence. If nothing
   * arrives between two PINGs, the connection counts as lost. When the page is shown again, or the browser is online
   * again, the client detects a lost connection within 5 s.
   */
  readonly pingInterval?: number
  /**
   * Protocol for the connection to a bridge. A `ws(s)://` address ignores it. `sse` is HTTP without WebSockets:
   * Server-Sent Events from the bridge, POST to the bridge. `auto`, the default, falls back to `sse` if a WebSocket cannot
   * be opened within 3 s, or is refused twice, while the bridge answers by HTTP. It tries a WebSocket again after ten
   * minutes.
   */
  readonly via?: 'websocket' | 'sse' | 'auto'
  /**
   * `true`, or options: all tabs of an origin share one connection. A SharedWorker holds it, or one of the tabs where
   * SharedWorkers are unavailable. If that tab ends, another tab takes over. All tabs must have the same user. Default:
   * each tab has a connection.
   */
  readonly share?: boolean | ShareOptions
  /** Delays between attempts to connect. */
  readonly backoff?: BackoffOptions
  /** Opens a socket, such as with headers by the package `ws`. Default: the runtime's `WebSocket`. */
  readonly openSocket?: (url: string) => LinkSocket
  /** Limits of the queue for messages that are published without a connection. */
  readonly offline?: OfflineOptions
  /** Random numbers from 0 to 1, for the jitter of the backoff. Default `Math.random`. */
  readonly random?: () => number
}
