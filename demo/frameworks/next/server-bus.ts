import { connect } from 'spanwire'
import { signToken } from 'spanwire/auth'
import { http } from 'spanwire/http'
import { events } from './events'

const secret = process.env.AUTH_SECRET ?? ''

/** Address of the bridge, read when the server starts. */
export const bridgeUrl = process.env.BRIDGE_URL ?? 'http://localhost:8080'

/** Publishes in the name of the server. Each event is one POST, without an open connection. */
export const serverBus = connect({
  events,
  transport: http({
    url: bridgeUrl,
    token: () => signToken({ secret, events, user: 'server', publish: ['chat.{room}.message'], expiresIn: 60 }),
  }),
})

/** Signs the token of a page. Call it for users that are signed in. */
export function tokenFor(user: string): Promise<string> {
  return signToken({
    secret,
    events,
    user,
    publish: [['chat.{room}.message', { room: 'lobby' }], { filter: '$EDGE.PRESENCE.lobby' }],
    subscribe: [['chat.{room}.message', { room: 'lobby' }], { filter: '$EDGE.PRESENCE.lobby' }],
    expiresIn: 300,
  })
}
