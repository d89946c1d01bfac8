import { demoToken } from './token.ts'

/** Variables of the demo, in addition to the variables of the bridge. */
export interface DemoEnv {
  /** Secret of the tokens. */
  readonly AUTH_SECRET?: string
  /** `1` turns the routes on. */
  readonly DEMO?: string
  /** URL of the {@link Control} that kills nats-server. Only `npm start` sets it. */
  readonly DEMO_CONTROL?: string
}

/** Content of `GET /demo/about`. */
export interface About {
  /** Whether a visitor of this page may kill nats-server. */
  readonly canKillNats: boolean
}

/** Answers requests below `/demo`. Returns undefined for other requests. */
export async function answerDemo(request: Request, env: DemoEnv): Promise<Response | undefined> {
  const { pathname } = new URL(request.url)
  const { AUTH_SECRET: secret, DEMO, DEMO_CONTROL: control } = env
  if (!pathname.startsWith('/demo/') || DEMO !== '1' || !secret) return undefined
  switch (`${request.method} ${pathname}`) {
    case 'GET /demo/token':
      return json({ token: await demoToken(secret) })
    case 'GET /demo/about':
      return json({ canKillNats: control !== undefined && isLocal(request) } satisfies About)
    case 'POST /demo/kill-nats':
      if (control === undefined) return undefined
      if (!isLocal(request) || !isOwnPage(request)) return json({ detail: 'Only this page, on this machine.' }, 403)
      return json({}, (await fetch(control, { method: 'POST' })).status)
    default:
      return undefined
  }
}

const LOOPBACK = /^(localhost|127\.0\.0\.1|\[?::1\]?)$/
/** Set by proxies. A request that came through one may be from another machine. */
const FORWARDED = ['Forwarded', 'X-Forwarded-For', 'X-Forwarded-Host', 'X-Real-IP', 'Via']

/**
 * Whether a request came from this machine and was addressed to it. Another host name can be a page that resolves its own
 * name to 127.0.0.1 (DNS rebinding).
 */
function isLocal(request: Request): boolean {
  const address = request.headers.get('CF-Connecting-IP') ?? '127.0.0.1'
  return (
    LOOPBACK.test(new URL(request.url).hostname) &&
    LOOPBACK.test(address) &&
    !FORWARDED.some((name) => request.headers.has(name))
  )
}

/** Whether a page of the demo's own origin sent a request. Browsers name the origin in every POST. */
function isOwnPage(request: Request): boolean {
  return request.headers.get('Origin') === new URL(request.url).origin
}

function json(body: object, status = 200): Response {
  return Response.json(body, { status, headers: { 'Cache-Control': 'no-store' } })
}
