import type { Events } from '../../sdk/contract/contract.ts'
import type { Authenticate } from '../auth/authenticate.ts'
import type { Limits } from '../auth/limits.ts'
import type { ContractOptions } from '../contract/contract-options.ts'
import type { ClientConnection, ClientSocket } from '../delivery/client-socket.ts'
import type { ConnectionStats } from '../delivery/connection-stats.ts'
import type { SessionSnapshot } from '../delivery/session-snapshot.ts'
import type { Schedule } from '../delivery/turn.ts'
import type { LogOption } from '../log/log.ts'
import type { Upstream } from '../upstream/upstream.ts'

/** Options of a hub. */
export interface HubOptions<Contract extends Events = Events> extends ContractOptions<Contract> {
  /** The broker behind the hub. The caller closes it. */
  readonly upstream: Upstream
  /** Checks the credentials of clients. */
  readonly authenticate: Authenticate
  /** Whether INFO carries a nonce to sign, which NATS's own credentials need. Default `false`. */
  readonly nonces?: boolean
  /** Limits of clients. Default: {@link defaultLimits}. */
  readonly limits?: Partial<Limits>
  /** Runs a function at the end of the current turn of the event loop. Default: `setTimeout(run, 0)`. */
  readonly schedule?: Schedule
  /** Current time, in ms since 1970. Default `Date.now`. */
  readonly clock?: () => number
  /**
   * How long messages may wait so that more of them are sent together, in ms: 0 to 50, for all subject filters or by filter.
   * This trades latency for CPU: at 500 messages per second, 10 ms save two thirds of it. Replies to requests never wait.
   * Default 0: messages are sent at the end of the turn of the event loop in which they arrive.
   */
  readonly flushWindow?: number | ((filter: string) => number)
  /**
   * Receives events of operation, such as refused credentials and closed clients: a function, or the lowest level of lines
   * on stderr (`debug`, `info`, `warn`, `error`, `off`). Tokens and payloads are never logged. At most 20 events of one code
   * are passed on per 10 s. Default `info`.
   */
  readonly log?: LogOption
  /**
   * User whose operations are logged as `client-traced`, without payloads and credentials. `POST /admin/trace` does it for a
   * limited time. Default: none.
   */
  readonly trace?: string
  /** The reason why credentials were refused, for the log, without parts of them. Default: none. */
  readonly explain?: (error: unknown) => string | undefined
  /** Source of randomness for queue groups. Default `Math.random`. */
  readonly random?: () => number
}

/** Messages and bytes of clients. Counts begin with the hub. */
export interface TrafficStats {
  /** Messages that clients published. */
  readonly inMessages: number
  /** Their header blocks and payloads, in bytes. */
  readonly inBytes: number
  /** Messages that clients were sent. */
  readonly outMessages: number
  /** Bytes that clients were sent, with protocol lines. */
  readonly outBytes: number
}

/** Statistics of a hub. Counts begin with the hub. */
export interface HubStats extends TrafficStats {
  /** Open connections. */
  readonly connections: number
  /** All connections that were opened. */
  readonly opened: number
  /** Connections that the hub closed, by the text of their `-ERR`. */
  readonly closed: ReadonlyMap<string, number>
  /** Subscriptions of clients, without replays and presence. */
  readonly subscriptions: number
  /** Subscriptions at the broker for them: one per distinct filter and queue group. */
  readonly upstreamSubscriptions: number
  /** Distinct filters of replays. */
  readonly replays: number
  /** Channels of presence with members or watchers. */
  readonly channels: number
}

/** An open connection, for monitoring. */
export interface HubConnection {
  /** Statistics of the connection. */
  readonly stats: ConnectionStats
  /** Subjects of its SUBs, as the client sent them. */
  readonly filters: readonly string[]
}

/** The hub of a bridge: it multiplexes all clients onto one connection to NATS. */
export interface Hub {
  /** A random UUID. INFO calls it `server_id`. */
  readonly id: string
  /** Limits in effect. */
  readonly limits: Limits
  /** Current statistics. Takes time in proportion to the number of connections. */
  readonly stats: HubStats
  /** All open connections, oldest first. */
  readonly connections: Iterable<HubConnection>
  /** Resolves when NATS is connected for the first time. Never rejects. */
  readonly opened: Promise<void>
  /** Whether NATS is connected and has all subscriptions. */
  readonly upstreamOpen: boolean
  /** Name of the broker, such as `nats-server 2.15.1` or `embedded`. */
  readonly upstreamName: string
  /**
   * Accepts a client. For hosts with WebSockets of their own; the routes of the bridge call it by themselves.
   * @param token token of the upgrade request, for a CONNECT without credentials
   */
  open(socket: ClientSocket, token?: string): ClientConnection
  /** Continues the session of a client whose socket outlived an earlier hub; see {@link ClientSocket.persist}. */
  restore(socket: ClientSocket, snapshot: SessionSnapshot): ClientConnection
  /**
   * Enters lame duck mode: accepts no more clients, and requests the others to reconnect elsewhere.
   * @param patience time after which it resolves at the latest, in ms
   * @returns resolves when all clients have left
   */
  drain(patience: number): Promise<void>
}
