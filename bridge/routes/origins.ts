import { cors } from 'hono/cors'
import { createMiddleware } from 'hono/factory'
import { SpanwireError } from '../../sdk/errors.ts'
import { NATS_HEADERS, TUNNEL_HEADER } from '../../sdk/protocol/header-names.ts'
import { EXPECTATIONS } from './message.ts'
import { TRACE_HEADERS } from './trace-headers.ts'

/** Which web pages may use the bridge: their origins, such as `https://app.example.com`, or `*` for all. */
export type Origins = '*' | readonly string[]

/** Whether a page comes from where the request goes to. */
export function isSameHost(origin: string, url: string): boolean {
  return URL.parse(origin)?.host === new URL(url).host
}

/**
 * Refuses browsers whose page comes from elsewhere, on every route and at the WebSocket upgrade, and answers CORS
 * preflights. Programs that aren't browsers send no Origin and aren't concerned. The page's own host is always allowed.
 * @param cookie the one that may hold the token: pages of named origins may send it with what they fetch
 */
export function allowOrigins(origins: Origins, cookie?: string) {
  const allowed = (origin: string, url: string) =>
    origins === '*' || origins.includes(origin) || isSameHost(origin, url)
  const answer = cors({
    origin: (origin, c) => (allowed(origin, c.req.url) ? origin : null),
    allowHeaders: [
      ...['Authorization', 'Content-Type', 'Idempotency-Key', NATS_HEADERS, TUNNEL_HEADER],
      ...EXPECTATIONS,
      // A page whose fetch is instrumented sends them with every request, if it is told to trace this origin.
      ...TRACE_HEADERS,
    ],
    exposeHeaders: [NATS_HEADERS, 'Retry-After'],
    maxAge: 600,
    // Whoever is let in by `*` gets nothing for a cookie.
    credentials: cookie !== undefined && origins !== '*',
  })
  return createMiddleware((c, next) => {
    const origin = c.req.header('Origin')
    if (origin !== undefined && !allowed(origin, c.req.url)) {
      throw new SpanwireError(
        'permission-denied',
        `Pages of ${origin} may not use this bridge: its option "origins" doesn't name them.`,
      )
    }
    // A WebSocket answer can't take headers on every host, and needs none of these.
    return c.req.header('Upgrade') ? next() : answer(c, next)
  })
}
