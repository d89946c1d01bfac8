import type { Limits } from '../auth/limits.ts'

/** Why the bridge closes a connection. */
export interface CloseReason {
  /** Reason of the close frame. */
  readonly text: string
  /** WebSocket close code. */
  readonly code: number
  /**
   * Text of the `-ERR` before it. Only texts of nats-server: its clients take unknown ones as a reason never to connect
   * again (nats.go and nats.py). Undefined: the bridge closes without an `-ERR`, as nats-server does, and clients reconnect.
   */
  readonly error?: string
  /** The limit that the client has reached, if that is the reason. */
  readonly limit?: keyof Limits
}

/** Reasons that nats-server has, with its texts. It says them before it closes. */
const said = (text: string, code: number, limit?: keyof Limits) => ({
  text,
  code,
  error: text,
  ...(limit && { limit }),
})

/**
 * All reasons. Codes are those that nats-server uses for the same reason (`wsEnqueueCloseMessage` in its websocket.go).
 */
export const closeReasons = {
  authorization: said('Authorization Violation', 1008),
  authenticationTimeout: said('Authentication Timeout', 1008),
  authenticationExpired: said('User Authentication Expired', 1008),
  revoked: said('User Authentication Revoked', 1008),
  maxConnections: said('maximum connections exceeded', 1008, 'maxConnections'),
  maxUserConnections: said('maximum account active connections exceeded', 1008, 'maxConnectionsPerUser'),
  maxControlLine: said('maximum control line exceeded', 1008, 'maxControlLine'),
  maxPayload: said('Maximum Payload Violation', 1009, 'maxPayload'),
  protocol: said('Unknown Protocol Operation', 1002),
  headersUnsupported: said('message headers not supported', 1002),
  noRespondersWithoutHeaders: said('no responders requires headers support', 1011),
  clientProtocol: said('invalid client protocol', 1002),
  stale: said('Stale Connection', 1001),
  /** nats-server has no such limit. Clients reconnect on `Stale Connection`. */
  idle: { text: 'Idle Connection', code: 1001, error: 'Stale Connection' },
  slowConsumer: { text: 'Slow Consumer', code: 1008, limit: 'maxPending' },
  /** The text tells it from other lines. */
  maxConnectLine: said('maximum control line exceeded by CONNECT: the token is too long', 1008, 'maxConnectLine'),
  /** nats-server has no such limit. */
  publishRate: { text: 'Publish Rate Exceeded', code: 1008, limit: 'publishRate' },
  /** nats-server has no such limit; see `Limits.memory`. */
  memory: { text: 'Memory Limit Exceeded', code: 1008, limit: 'memory' },
  shutdown: { text: 'Server Shutdown', code: 1001 },
  /** The session can't be continued after a restart of the hub. Clients reconnect on 1012. */
  restart: { text: 'Server Restart', code: 1012 },
} as const satisfies Record<string, CloseReason>

/** The reason with this text. Undefined if there is none. */
export function closeReasonOf(text: string): CloseReason | undefined {
  const name = parseCloseReason(text)
  return name && closeReasons[name]
}

export type CloseReasonName = keyof typeof closeReasons

const nameByText: ReadonlyMap<string, CloseReasonName> = new Map(
  (Object.keys(closeReasons) as CloseReasonName[]).map((name) => [closeReasons[name].text, name]),
)

/** The reason that an `-ERR` or a close frame states. Undefined if the text is not one of {@link closeReasons}. */
export function parseCloseReason(text: string): CloseReasonName | undefined {
  return nameByText.get(text)
}
