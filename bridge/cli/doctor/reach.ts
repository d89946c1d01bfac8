/** Checks of the address: name, port, TLS, path, NATS behind the bridge, and its clock. */
import { codeOrMessage, messageOf } from '../../../sdk/kit/error-text.ts'
import { type Finding, fail, ok, warn } from './finding.ts'
import { type Answer, probe } from './http-probe.ts'

/** How long one answer may take, in ms. */
export const PATIENCE = 5_000
/** In ms. A token is checked with a tolerance of 5 s. */
const MAX_SKEW = 5_000

/** Findings, and the address of the bridge if there is one. */
export interface Reach {
  readonly findings: readonly Finding[]
  /** The bridge's address, without a path of its own; undefined if there is none. */
  readonly base: URL | undefined
}

/** Looks for a bridge at an address, and in the folders above it. */
export async function findBridge(given: URL, now: () => number): Promise<Reach> {
  const url = new URL(given.href.replace(/^ws/, 'http'))
  let health: Answer
  try {
    health = await probe(routeOf(url, 'healthz'), { timeout: PATIENCE })
  } catch (error) {
    return { findings: noAnswer(url, error), base: undefined }
  }
  const reached = [ok('reachable', `${url.origin} answers in ${health.ms} ms`)]
  if (url.protocol === 'https:') reached.push(ok('TLS', `the certificate is valid for ${url.hostname}`))
  else if (!/^(localhost|127\.|\[::1\])/.test(url.hostname))
    reached.push(
      warn(
        'TLS',
        `${url.origin} is not encrypted`,
        'Put a proxy with TLS in front, and use https: tokens travel in the clear.',
      ),
    )
  if (readHealth(health))
    return { findings: [...reached, ok('path', `a bridge is at ${url.href}`), ...describe(health, now())], base: url }
  return { findings: [...reached, await wrongPath(url, health)], base: undefined }
}

/** A route below the bridge's address. */
export function routeOf(base: URL, route: string): URL {
  const url = new URL(base)
  url.pathname = `${base.pathname.replace(/\/$/, '')}/${route}`
  return url
}

interface Health {
  readonly status: string
  readonly upstream: string
}

function readHealth({ body }: Answer): Health | undefined {
  try {
    const health = JSON.parse(body)
    return typeof health.status === 'string' && typeof health.upstream === 'string' ? health : undefined
  } catch {
    return undefined
  }
}

const CAUSES: ReadonlyArray<readonly [code: RegExp, check: string, fact: string, advice: string]> = [
  [/ENOTFOUND|EAI_AGAIN/, 'reachable', 'the name is not known', 'Check the spelling, and the DNS entry.'],
  [
    /ECONNREFUSED|ConnectionRefused/,
    'reachable',
    'nothing listens on that port',
    'Start the bridge there. In a container it must listen on 0.0.0.0: spanwire bridge --host 0.0.0.0.',
  ],
  [
    /ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|Timeout/,
    'reachable',
    'no answer in time',
    'A firewall may drop the packets, or the address is wrong.',
  ],
  [/CERT_HAS_EXPIRED/, 'TLS', 'the certificate has expired', 'Renew it.'],
  [
    /ALTNAME|HostnameMismatch/,
    'TLS',
    'the certificate is for another name',
    'Use a name that it lists, or get one for this name.',
  ],
  [
    /SELF_SIGNED|UNABLE_TO|DEPTH_ZERO|UnknownIssuer/i,
    'TLS',
    'the certificate is not by an authority that this machine trusts',
    'Give the server the whole chain. For an authority of your own set NODE_EXTRA_CA_CERTS.',
  ],
  [
    /EPROTO|WRONG_VERSION|ERR_SSL|InvalidContentType/,
    'TLS',
    'the port does not speak TLS',
    'Use http:// for it, or the port with TLS.',
  ],
]

function noAnswer(url: URL, error: unknown): Finding[] {
  const code = codeOrMessage(error)
  const message = messageOf(error)
  const found = CAUSES.find(([pattern]) => pattern.test(`${code} ${message}`))
  if (!found) return [fail('reachable', `${url.origin} does not answer: ${message}`, 'Check the address and the port.')]
  const [, check, fact, advice] = found
  return [fail(check, `${url.origin}: ${fact} (${code})`, advice)]
}

/** The bridge may be at a folder above. */
async function wrongPath(url: URL, { status, body }: Answer): Promise<Finding> {
  const parts = url.pathname.split('/').filter((part) => part !== '')
  for (let length = parts.length - 1; length >= 0; length--) {
    const above = new URL(url)
    above.pathname = `/${parts.slice(0, length).join('/')}`
    const health = await probe(routeOf(above, 'healthz'), { timeout: PATIENCE }).catch(() => undefined)
    if (health && readHealth(health))
      return fail(
        'path',
        `no bridge is at ${url.href}; one is at ${above.href}`,
        `Use ${above.href}: the SDK appends /nats by itself.`,
      )
  }
  const what = /<html|<!doctype/i.test(body) ? 'a web page' : `status ${status}`
  return fail(
    'path',
    `no bridge is at ${url.href}: /healthz there is ${what}`,
    'Check the port and the path, and which routes the proxy sends to the bridge.',
  )
}

function describe(answer: Answer, now: number): Finding[] {
  const health = readHealth(answer)
  const findings: Finding[] = []
  if (health?.status === 'draining')
    findings.push(
      warn(
        'bridge',
        'it is being replaced: it takes no more clients',
        'Try again in a moment. The proxy should leave it out: /healthz is 503.',
      ),
    )
  if (health?.upstream === 'open') findings.push(ok('NATS', 'the bridge is connected'))
  else
    findings.push(
      fail(
        'NATS',
        `the bridge is not connected to NATS (${health?.upstream})`,
        'Start NATS, and check UPSTREAM_URL and UPSTREAM_CREDS of the bridge. Its log has the reason.',
      ),
    )
  const skew = Date.parse(answer.headers.date ?? '') - now
  // The header has whole seconds, and the answer was on its way.
  if (Number.isNaN(skew)) return findings
  const seconds = Math.round(skew / 1000)
  if (Math.abs(skew) <= MAX_SKEW + 1_000 + answer.ms)
    findings.push(ok('clock', `differs by less than ${MAX_SKEW / 1000} s`))
  else
    findings.push(
      warn(
        'clock',
        `the server's clock is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} this machine's`,
        'Set both by NTP. Tokens that are signed by one may be expired, or not valid yet, for the other.',
      ),
    )
  return findings
}
