// The application of the README's app.ts, with additional pages.
import { serve } from '@hono/node-server'
import { serveStatic } from '@hono/node-server/serve-static'
import { signToken } from 'spanwire/auth'
import app from './app.ts'
import { events } from './events.ts'

const all = [{ filter: '>' }]
app.get('/everything', async (c) => {
  const secret = process.env.AUTH_SECRET ?? ''
  return c.json({
    token: await signToken({ secret, user: 'ada', events, publish: all, subscribe: all, expiresIn: 60 }),
  })
})
app.get('/:name{.+\\.html}', (c) =>
  c.html(
    `<!doctype html><link rel="icon" href="data:,"><script type="module" src="/built/${c.req.param('name').replace('.html', '.js')}"></script>`,
  ),
)
app.use('/built/*', serveStatic({ root: '.' }))
serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.env.PAGE_PORT) }, () => console.log('serving'))
