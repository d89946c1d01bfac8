import { cors } from 'hono/cors'
import { createMiddleware } from 'hono/factory'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { NATS_HEADERS, TUNNEL_HEADER } from '../../sdk/wire/header-names.ts'
import { EXPECTATIONS } from './message.ts'
import { TRACE_HEADERS } from './trace-headers.ts'

/**
 * Which web pages may use the bridge: their origins, such as `https://app.example.com`, or `*` for all. On this machine
 * any port may be meant: `http://localhost:*`, `http://127.0.0.1:*`, `http://[::1]:*`.
 */
export type Origins = '*' | readonly string[]

/** Any port of this machine. Other hosts have no such pattern: a port that somebody else opens there would be let in. */
const ANY_PORT = /^https?:\/\/(?:localhost|127\.0\.0\.1|\[::1\]):\*$/

/** What a browser sends of pages that aren't of the web, such as `capacitor://localhost`; `null` of those without a place. */
const OTHER_ORIGIN = /^(?!https?:)[a-z][a-z\d+.-]*:\/\/[^/?#\0-\x20]*$|^null$/

/**
 * What is no origin is never sent by a browser, so that it would let nobody in.
 * @param what the option's name, for the error
 * @throws SpanwireError `invalid-argument`
 */
export function checkOrigins(origins: Origins, what = 'origins'): void {
  if (origins === '*') return
  const wrong = (problem: string) => new SpanwireError('invalid-argument', `${what} ${problem}`)
  if (!Array.isArray(origins)) throw wrong(`must be '*' or a list, such as ['https://app.example.com'].`)
  for (const one of origins) {
    if (one === '*') throw wrong(`holds '*': for pages of everywhere write '*' instead of the list.`)
    if (ANY_PORT.test(one)) continue
    const origin = URL.parse(one)?.origin
    const isPattern = String(one).includes('*')
    if (!isPattern && (origin === one || OTHER_ORIGIN.test(one))) continue
    const meant = !isPattern && origin && origin !== 'null' ? origin : 'such as https://app.example.com'
    throw wrong(`holds ${JSON.stringify(one)}, which is no origin: write ${meant}.`)
  }
}

/** Refused origins that are told, each once: anybody can send any. */
const MAX_TOLD = 10

/** Whether a list names an origin. */
export function namesOrigin(origins: readonly string[], origin: string): boolean {
  return origins.includes(origin) || origins.includes(`${origin.replace(/:\d+$/, '')}:*`)
}

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
    origins === '*' || namesOrigin(origins, origin) || isSameHost(origin, url)
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
  const told = new Set<string>()
  return createMiddleware((c, next) => {
    const origin = c.req.header('Origin')
    if (origin !== undefined && !allowed(origin, c.req.url)) {
      const text = `Pages of ${origin} may not use this bridge: its option "origins" doesn't name them.`
      // Browsers hide the answer from the page, and its developer: whoever runs the bridge can see why.
      if (told.size < MAX_TOLD && !told.has(origin)) {
        told.add(origin)
        console.warn(`spanwire: ${text.slice(0, 200)}`)
      }
      throw new SpanwireError('permission-denied', text)
    }
    // A WebSocket answer can't take headers on every host, and needs none of these.
    return c.req.header('Upgrade') ? next() : answer(c, next)
  })
}
