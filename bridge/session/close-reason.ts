/** Why the bridge closes a connection. */
export interface CloseReason {
  /** Text of the `-ERR`, and reason of the close frame. */
  readonly text: string
  /** WebSocket close code. */
  readonly code: number
}

/**
 * All reasons. Texts and codes are the same as in nats-server (`wsEnqueueCloseMessage` in its websocket.go).
 */
export const closeReasons = {
  authorization: { text: 'Authorization Violation', code: 1008 },
  authenticationTimeout: { text: 'Authentication Timeout', code: 1008 },
  authenticationExpired: { text: 'User Authentication Expired', code: 1008 },
  revoked: { text: 'User Authentication Revoked', code: 1008 },
  slowConsumer: { text: 'Slow Consumer', code: 1008 },
  maxConnections: { text: 'maximum connections exceeded', code: 1008 },
  maxUserConnections: { text: 'maximum account active connections exceeded', code: 1008 },
  maxControlLine: { text: 'maximum control line exceeded', code: 1008 },
  maxPayload: { text: 'Maximum Payload Violation', code: 1009 },
  protocol: { text: 'Unknown Protocol Operation', code: 1002 },
  headersUnsupported: { text: 'message headers not supported', code: 1002 },
  noRespondersWithoutHeaders: { text: 'no responders requires headers support', code: 1011 },
  clientProtocol: { text: 'invalid client protocol', code: 1002 },
  stale: { text: 'Stale Connection', code: 1001 },
  /** Spanwire's own: nats-server has no such limits. */
  publishRate: { text: 'Publish Rate Exceeded', code: 1008 },
  idle: { text: 'Idle Connection', code: 1001 },
  /** Spanwire's own: nats-server has no upstream. */
  upstream: { text: 'Upstream Unavailable', code: 1013 },
  shutdown: { text: 'Server Shutdown', code: 1001 },
  /** The session can't be continued after a restart of the hub. Clients reconnect on 1012. */
  restart: { text: 'Server Restart', code: 1012 },
} as const satisfies Record<string, CloseReason>

export type CloseReasonName = keyof typeof closeReasons

const nameByText: ReadonlyMap<string, CloseReasonName> = new Map(
  (Object.keys(closeReasons) as CloseReasonName[]).map((name) => [closeReasons[name].text, name]),
)

/** The reason that an `-ERR` states. Undefined if the text is not one of {@link closeReasons}. */
export function parseCloseReason(text: string): CloseReasonName | undefined {
  return nameByText.get(text)
}
