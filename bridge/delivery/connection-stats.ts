/** Statistics of one connection. Counts begin when it was opened, or when its hub restarted. */
export interface ConnectionStats {
  /** Id of the connection, as `POST /admin/disconnect` takes it. */
  readonly id: string
  /** User of the token; empty for an anonymous client. */
  readonly user: string
  /** Names that the client gave itself in CONNECT. */
  readonly client: ClientName
  /** IP address of the client, or of the last proxy before the bridge. Missing if the host does not report it. */
  readonly address?: string
  /** Time of the WebSocket upgrade, in ms since 1970. */
  readonly openedAt: number
  /** Time of the client's last bytes, in ms since 1970, to the second. */
  readonly activeAt: number
  /** Number of subscriptions. */
  readonly subscriptions: number
  /** Bytes that were sent to the client and that it has not confirmed. */
  readonly unread: number
  /** Messages that the client published. */
  readonly inMessages: number
  /** Messages that the client was sent. */
  readonly outMessages: number
  /** Bytes of header blocks and payloads that the client published. */
  readonly inBytes: number
  /** Bytes that the client was sent, with protocol lines. */
  readonly outBytes: number
}

/** Names in a client's CONNECT. Each is cut to 64 characters. */
export interface ClientName {
  /** Name of the connection. */
  readonly name?: string
  /** Language of the client library. */
  readonly lang?: string
  /** Version of the client library. */
  readonly version?: string
}

/** In characters. */
const MAX_NAME = 64

/** Takes the names from a CONNECT and nothing else: the line may hold a token. */
export function readClientName({ name, lang, version }: ClientName): ClientName {
  return {
    ...(name !== undefined && { name: name.slice(0, MAX_NAME) }),
    ...(lang !== undefined && { lang: lang.slice(0, MAX_NAME) }),
    ...(version !== undefined && { version: version.slice(0, MAX_NAME) }),
  }
}

/** The number of a connection in INFO and `/connz`. */
export function clientIdOf(connectionId: string): number {
  return Number(connectionId.slice(connectionId.lastIndexOf('.') + 1))
}
