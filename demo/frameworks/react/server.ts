// The server of the application: it serves the built page, signs tokens, and publishes.
import process from 'node:process'
import { serve } from '@hono/node-server'
import { serveStatic } from '@hono/node-server/serve-static'
import { Hono } from 'hono'
import { connect } from 'spanwire'
import { signToken, tokenEndpoint } from 'spanwire/auth'
import { http } from 'spanwire/http'
import { events } from './src/events.ts'

const secret = process.env.AUTH_SECRET ?? ''
const lobby = ['chat.{room}.message', { room: 'lobby' }] as const
const presence = { filter: '$EDGE.PRESENCE.lobby' }

/** Publishes in the name of the server. Each event is one POST, without an open connection. */
const bus = connect({
  events,
  transport: http({
    url: process.env.VITE_BRIDGE_URL ?? 'http://localhost:8080',
    token: () => signToken({ secret, events, user: 'server', publish: ['chat.{room}.message'], expiresIn: 60 }),
  }),
})

const app = new Hono()
app.get(
  '/token',
  tokenEndpoint({ secret }, () => {
    const user = 'guest' // the user of your session; undefined answers 401
    return { user, events, publish: [lobby, presence], subscribe: [lobby, presence], expiresIn: 300 }
  }),
)
app.post('/say', async (c) => {
  const { text } = await c.req.json<{ text: string }>()
  await bus.publish('chat.{room}.message', { room: 'lobby' }, { from: 'server', text })
  return c.body(null, 204)
})
app.use('*', serveStatic({ root: 'dist' }))
serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 3000) })
