/** What of a connection can be seen from outside, as of now. Counts are since it was opened, or its hub restarted. */
export interface ConnectionFigures {
  /** As an administrator's order names it. */
  readonly id: string
  readonly user: string
  /** What the client's CONNECT said of itself. */
  readonly client: ClientName
  /** In ms since 1970. */
  readonly openedAt: number
  /** When the client last said anything, to the second, in ms since 1970. */
  readonly heardAt: number
  readonly subscriptions: number
  /** Bytes that it was sent and has not confirmed. */
  readonly unread: number
  /** Messages that it published, and those that it was sent. */
  readonly inMessages: number
  readonly outMessages: number
  /** Header blocks and payloads. */
  readonly inBytes: number
  /** With protocol lines. */
  readonly outBytes: number
}

/** As in CONNECT. */
export interface ClientName {
  readonly name?: string
  readonly lang?: string
  readonly version?: string
}

/** So much of each is kept. */
const MAX_NAME = 64

/** What is kept of a CONNECT. Nothing of the line itself, which may hold a token. */
export function readClientName({ name, lang, version }: ClientName): ClientName {
  return {
    ...(name !== undefined && { name: name.slice(0, MAX_NAME) }),
    ...(lang !== undefined && { lang: lang.slice(0, MAX_NAME) }),
    ...(version !== undefined && { version: version.slice(0, MAX_NAME) }),
  }
}

/** The number that INFO and `/connz` give a connection. */
export function clientIdOf(sessionId: string): number {
  return Number(sessionId.slice(sessionId.lastIndexOf('.') + 1))
}
