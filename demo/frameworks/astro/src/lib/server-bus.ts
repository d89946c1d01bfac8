import { AUTH_SECRET as secret, BRIDGE_URL as url } from 'astro:env/server'
import { connect } from 'spanwire'
import { signToken } from 'spanwire/auth'
import { http } from 'spanwire/http'
import { events } from './events'

/** Publishes in the name of the server. Each event is one POST, without an open connection. */
export const serverBus = connect({
  events,
  transport: http({
    url,
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
