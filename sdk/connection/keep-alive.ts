/**
 * What to do at each ping interval, by how many PINGs are unanswered: after two, the connection is dead.
 * Whatever else the server sends doesn't count, as in nats-server.
 */
export function keepAlive(unanswered: number): 'ping' | 'dead' {
  return unanswered < 2 ? 'ping' : 'dead'
}
