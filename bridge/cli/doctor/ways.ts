/** Checks of the transports: WebSocket, Server-Sent Events, and the origins of pages. */
import { codeOrMessage } from '../../../sdk/kit/error-text.ts'
import { type Finding, fail, ok, skip, warn } from './finding.ts'
import { type Answer, probe, probeUpgrade, problemOf } from './http-probe.ts'
import { PATIENCE, routeOf } from './reach.ts'

/** Findings, and the transports that work. */
export interface Ways {
  readonly findings: readonly Finding[]
  readonly hasWebSocket: boolean
  readonly hasEventStream: boolean
}

export async function checkWays(base: URL): Promise<Ways> {
  const webSocket = await checkWebSocket(base)
  const hasWebSocket = webSocket.verdict === 'ok'
  const eventStream = await checkEventStream(base, hasWebSocket)
  return { findings: [webSocket, eventStream], hasWebSocket, hasEventStream: eventStream.verdict === 'ok' }
}

const NGINX =
  'nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";'

async function checkWebSocket(base: URL): Promise<Finding> {
  let answer: Answer
  try {
    answer = await probeUpgrade(routeOf(base, 'nats'), { timeout: PATIENCE })
  } catch (error) {
    return fail(
      'WebSocket',
      `the connection ended without an answer (${codeOrMessage(error)})`,
      'A proxy or firewall cuts WebSockets. Clients fall back to Server-Sent Events.',
    )
  }
  const { status } = answer
  if (status === 101) return ok('WebSocket', `the upgrade works, in ${answer.ms} ms`)
  if (status === 426)
    return fail(
      'WebSocket',
      'the bridge got the request without the header Upgrade: a proxy in between strips it',
      `Let the proxy pass it on (${NGINX}). Until then clients fall back to Server-Sent Events.`,
    )
  const problem = problemOf(answer)
  if (problem)
    return fail('WebSocket', `the bridge refuses the upgrade (${status}): ${problem.detail}`, 'See the bridge log.')
  return fail('WebSocket', `a proxy answers ${status} to the upgrade`, `Let it pass WebSockets on (${NGINX}).`)
}

/** How soon the first event must be here, in ms: the bridge writes it at once. */
const FIRST_EVENT = 3_000

async function checkEventStream(base: URL, hasWebSocket: boolean): Promise<Finding> {
  const bad = hasWebSocket ? warn : fail
  const url = routeOf(base, 'nats/stream')
  let answer: Answer
  try {
    answer = await probe(url, {
      headers: { Accept: 'text/event-stream' },
      timeout: FIRST_EVENT,
      until: /event: tunnel[\s\S]*\n\n/,
    })
  } catch (error) {
    const code = codeOrMessage(error)
    if (code === 'ETIMEDOUT') return bad('SSE fallback', BUFFERED, UNBUFFER)
    return bad(
      'SSE fallback',
      `the connection ended without an answer (${code})`,
      'Check which routes the proxy sends to the bridge.',
    )
  }
  if (answer.status !== 200) {
    const detail = problemOf(answer)?.detail ?? 'it is not the bridge that answers'
    return bad(
      'SSE fallback',
      `/nats/stream answers ${answer.status}: ${detail}`,
      'Let the proxy send /nats/stream to the bridge.',
    )
  }
  if (!/event: tunnel/.test(answer.body)) return bad('SSE fallback', BUFFERED, UNBUFFER)
  return ok('SSE fallback', `events come at once, in ${answer.ms} ms`)
}

const BUFFERED = 'the answer is held back: a proxy in between buffers it'
const UNBUFFER =
  'Turn buffering off for the bridge (nginx: proxy_buffering off; and no proxy_ignore_headers X-Accel-Buffering). Networks that block WebSockets need it.'

/** Whether pages of an origin may use the bridge. */
export async function checkOrigin(base: URL, origin: string | undefined): Promise<Finding> {
  if (origin === undefined)
    return skip(
      'origin',
      'no page was named',
      'Give --origin https://app.example.com to check that its pages may connect.',
    )
  try {
    const answer = await probe(routeOf(base, 'nats'), { headers: { Origin: origin }, timeout: PATIENCE })
    const problem = problemOf(answer)
    if (answer.status === 403 && problem?.code === 'permission-denied')
      return fail(
        'origin',
        `pages of ${origin} are refused`,
        `Add ${origin} to the bridge's origins: ORIGINS, --origins or the option "origins".`,
      )
    if (answer.status === 426) return ok('origin', `pages of ${origin} may connect`)
    return warn(
      'origin',
      `/nats answers ${answer.status} to a page of ${origin}`,
      'A proxy may refuse it: see its log.',
    )
  } catch (error) {
    return fail('origin', `no answer to a page of ${origin} (${codeOrMessage(error)})`, 'See the log of the proxy.')
  }
}
