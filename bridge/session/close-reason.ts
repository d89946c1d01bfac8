/**
 * Why the bridge ends a connection: nats-server's text for `-ERR`, and the WebSocket close code that nats-server uses
 * for that reason (`wsEnqueueCloseMessage` in its websocket.go).
 */
export const closings = {
  authorization: { error: 'Authorization Violation', code: 1008 },
  authenticationTimeout: { error: 'Authentication Timeout', code: 1008 },
  authenticationExpired: { error: 'User Authentication Expired', code: 1008 },
  revoked: { error: 'User Authentication Revoked', code: 1008 },
  slowConsumer: { error: 'Slow Consumer', code: 1008 },
  maxConnections: { error: 'maximum connections exceeded', code: 1008 },
  maxUserConnections: { error: 'maximum account active connections exceeded', code: 1008 },
  maxControlLine: { error: 'maximum control line exceeded', code: 1008 },
  maxPayload: { error: 'Maximum Payload Violation', code: 1009 },
  protocol: { error: 'Unknown Protocol Operation', code: 1002 },
  headersUnsupported: { error: 'message headers not supported', code: 1002 },
  noRespondersWithoutHeaders: { error: 'no responders requires headers support', code: 1011 },
  clientProtocol: { error: 'invalid client protocol', code: 1002 },
  stale: { error: 'Stale Connection', code: 1001 },
  /** Spanwire's own: nats-server has no such limits. */
  publishRate: { error: 'Publish Rate Exceeded', code: 1008 },
  idle: { error: 'Idle Connection', code: 1001 },
  /** Spanwire's own: nats-server has no upstream. */
  upstream: { error: 'Upstream Unavailable', code: 1013 },
  shutdown: { error: 'Server Shutdown', code: 1001 },
  /** The session can't be continued after a restart of the hub; clients reconnect on 1012. */
  restart: { error: 'Server Restart', code: 1012 },
} as const

export type Closing = (typeof closings)[keyof typeof closings]
