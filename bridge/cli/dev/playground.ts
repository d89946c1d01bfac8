/** The page of `spanwire dev` at `/`, and its data. */
import { type Context, Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import { SpanwireError } from '../../../sdk/wire/errors.ts'
import { toProblem } from '../../http/problem.ts'
import type { EventDescription } from '../contract/event-description.ts'
import { readPageFile } from './page-files.ts'

/** The content of the page. */
export interface PlaygroundState {
  readonly token: string
  /** Such as `embedded` or `nats-server 2.15.1`. */
  readonly broker: string
  /** The contract's file; undefined if there is none. */
  readonly contract: string | undefined
  readonly events: readonly EventDescription[]
  /** Why the contract that was written last could not be read. */
  readonly problem: string | undefined
  /** The path of the inspector, if this bridge has one. */
  readonly inspector: string | undefined
}

/** The state, and the pages that follow it. */
export class Playground {
  readonly routes: Hono
  #state: PlaygroundState
  readonly #listeners = new Set<() => void>()

  /** @param hosts names of this machine, in addition to the names of loopback */
  constructor(state: PlaygroundState, hosts: readonly string[]) {
    this.#state = state
    this.routes = this.#createRoutes(hosts)
  }

  get state(): PlaygroundState {
    return this.#state
  }

  set(change: Partial<PlaygroundState>): void {
    this.#state = { ...this.#state, ...change }
    for (const listener of this.#listeners) listener()
  }

  #createRoutes(hosts: readonly string[]): Hono {
    const app = new Hono()
    app.onError((error, c) => toProblem(c, error))
    app.use('/', requireHost(hosts))
    app.use('/playground/*', requireHost(hosts))
    app.get('/', (c) => sendFile(c, 'index.html'))
    app.get('/playground/state.json', (c) => {
      c.header('Cache-Control', 'no-store')
      return c.json(this.#state)
    })
    app.get('/playground/updates', (c) =>
      streamSSE(c, async (stream) => {
        for (;;) {
          const { promise, resolve } = Promise.withResolvers<'changed' | 'gone' | 'quiet'>()
          const changed = () => resolve('changed')
          const timer = setTimeout(() => resolve('quiet'), 15_000)
          this.#listeners.add(changed)
          stream.onAbort(() => resolve('gone'))
          const what = await promise
          this.#listeners.delete(changed)
          clearTimeout(timer)
          if (what === 'gone' || stream.aborted) return
          await stream.writeSSE({ event: what, data: '' })
        }
      }),
    )
    app.get('/playground/:file', (c) => sendFile(c, c.req.param('file')))
    return app
  }
}

const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])$/

/**
 * Serves the page only under this machine's own names. It holds a token: a page of another site whose name resolves to
 * this machine (DNS rebinding) must not read it.
 */
function requireHost(hosts: readonly string[]) {
  return async (c: Context, next: () => Promise<void>) => {
    const { hostname } = new URL(c.req.url)
    if (!LOOPBACK.test(hostname) && !hosts.includes(hostname))
      throw new SpanwireError('permission-denied', `This page is for localhost, and not for ${hostname}.`)
    await next()
  }
}

async function sendFile(c: Context, name: string): Promise<Response> {
  const file = await readPageFile(name)
  if (!file && name === 'index.html') return c.text('The playground page is not built: run "npm run build".', 503)
  if (!file) throw new SpanwireError('request-refused', 'Unknown file.')
  const { host } = new URL(c.req.url)
  // Browsers differ in whether 'self' includes the WebSocket of the same host.
  const sources = `connect-src 'self' ws://${host}; script-src 'self'; style-src 'self'; img-src data:`
  c.header(
    'Content-Security-Policy',
    `default-src 'none'; ${sources}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  )
  c.header('X-Content-Type-Options', 'nosniff')
  c.header('Referrer-Policy', 'no-referrer')
  c.header('Cache-Control', 'no-store')
  return c.body(file.body, 200, { 'Content-Type': file.type })
}
