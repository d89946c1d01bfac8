import { cors } from 'hono/cors'
import { createMiddleware } from 'hono/factory'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { NATS_HEADERS, TUNNEL_HEADER } from '../../sdk/wire/header-names.ts'
import { StatusError } from './problem.ts'
import { EXPECTATIONS } from './submission.ts'
import { TRACE_HEADERS } from './trace-headers.ts'

/**
 * Origins of web pages that may use the bridge, such as `https://app.example.com`, or `*` for all. Any port of this machine
 * is `http://localhost:*`, `http://127.0.0.1:*` or `http://[::1]:*`.
 */
export type Origins = '*' | readonly string[]

/** The page or the host name of a request is not one of the bridge. Browsers hide the response from the page: log it. */
export class OriginError extends StatusError {}

/** Any port of this machine. Not for other hosts, where other programs could open a port. */
const ANY_PORT = /^https?:\/\/(?:localhost|127\.0\.0\.1|\[::1\]):\*$/

/** Origins of pages outside of the web, such as `capacitor://localhost`. `null` is the origin of local files and sandboxes. */
const OTHER_ORIGIN = /^(?!https?:)[a-z][a-z\d+.-]*:\/\/[^/?#\0-\x20]*$|^null$/

/**
 * Checks origins. A value that is not an origin would never match the header of a browser.
 * @param what name of the option, for errors
 * @throws SpanwireError `invalid-argument`
 */
export function checkOrigins(origins: Origins, what = 'origins'): void {
  if (origins === '*') return
  const wrong = (problem: string) => new SpanwireError('invalid-argument', `${what} ${problem}`)
  if (!Array.isArray(origins)) throw wrong(`must be '*' or a list, such as ['https://app.example.com'].`)
  for (const one of origins) {
    if (one === '*') throw wrong(`contains '*'. To allow all origins, use '*' instead of a list.`)
    if (ANY_PORT.test(one)) continue
    const origin = URL.parse(one)?.origin
    const isPattern = String(one).includes('*')
    if (!isPattern && (origin === one || OTHER_ORIGIN.test(one))) continue
    const meant = !isPattern && origin && origin !== 'null' ? origin : 'an origin such as https://app.example.com'
    throw wrong(`contains ${JSON.stringify(one)}, which is not an origin. Use ${meant}.`)
  }
}

/** Whether a list contains an origin. */
export function namesOrigin(origins: readonly string[], origin: string): boolean {
  return origins.includes(origin) || origins.includes(`${origin.replace(/:\d+$/, '')}:*`)
}

/** Whether a page has the same host as the request. */
export function isSameHost(origin: string, url: string): boolean {
  return URL.parse(origin)?.host === new URL(url).host
}

/**
 * Refuses pages of other origins, on every route and at the WebSocket upgrade, and answers CORS preflights. The bridge's own
 * host is always allowed. Programs other than browsers send no Origin, and are not affected.
 * @param cookie name of the cookie with the token. Pages of listed origins may send it with `fetch`
 */
export function allowOrigins(origins: Origins, cookie?: string) {
  const allowed = (origin: string, url: string) =>
    origins === '*' || namesOrigin(origins, origin) || isSameHost(origin, url)
  const answer = cors({
    origin: (origin, c) => (allowed(origin, c.req.url) ? origin : null),
    allowMethods: ['GET', 'HEAD', 'POST'],
    allowHeaders: [
      ...['Authorization', 'Content-Type', 'Idempotency-Key', NATS_HEADERS, TUNNEL_HEADER],
      ...EXPECTATIONS,
      ...TRACE_HEADERS,
      // Sent by EventSources that use `fetch`.
      ...['Last-Event-ID', 'Cache-Control', 'X-Requested-With'],
    ],
    exposeHeaders: [NATS_HEADERS, 'Retry-After'],
    maxAge: 600,
    // With `*` cookies do not count.
    credentials: cookie !== undefined && origins !== '*',
  })
  return createMiddleware(async (c, next) => {
    const origin = c.req.header('Origin')
    if (origin !== undefined && !allowed(origin, c.req.url)) {
      const text = `Pages of ${origin} must not use this bridge. Add the origin to its option "origins".`
      throw new OriginError(403, 'permission-denied', text)
    }
    // Some hosts can't add headers to an upgrade, which needs none.
    if (c.req.header('Upgrade')) return next()
    const response = await answer(c, next)
    // Instrumented pages send more headers. No header admits a page, so all of them are allowed.
    const asked = c.req.header('Access-Control-Request-Headers')
    if (response && asked) c.res.headers.append('Access-Control-Allow-Headers', asked)
    return response
  })
}
