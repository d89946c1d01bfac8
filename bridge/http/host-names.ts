import { createMiddleware } from 'hono/factory'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { OriginError, type Origins } from './origins.ts'

/** Host names of the bridge, such as `bridge.example.com`, or `*` for all. */
export type HostNames = '*' | readonly string[]

/** IPv4, and IPv6 in brackets. A page with a rebound name sends its name, never an address. */
const ADDRESS = /^(\d{1,3}(\.\d{1,3}){3}|\[[\da-f:.]+\])$/i
const LOCAL = /^(.+\.)?localhost$/i

/** @throws SpanwireError `invalid-argument` */
export function checkHostNames(hosts: HostNames): void {
  if (hosts === '*') return
  if (!Array.isArray(hosts)) {
    throw new SpanwireError('invalid-argument', `hosts must be '*' or a list, such as ['bridge.example.com'].`)
  }
  for (const one of hosts) {
    const url = URL.parse(`http://${one}`)
    if (url && url.host === String(one).toLowerCase() && !url.host.includes('*')) continue
    throw new SpanwireError(
      'invalid-argument',
      `hosts contains ${JSON.stringify(one)}. Use the host name alone, such as bridge.example.com.`,
    )
  }
}

/**
 * Refuses requests for other host names with 421. By DNS rebinding, a page can make its own host name resolve to the bridge,
 * and counts as a page of the bridge's host. Addresses, `localhost` and the hosts of listed origins are always accepted.
 */
export function allowHostNames(hosts: HostNames, origins: Origins) {
  const ofOrigins = origins === '*' ? [] : origins.flatMap((origin) => URL.parse(origin)?.host ?? [])
  const known = hosts === '*' ? undefined : new Set([...hosts.map((one) => one.toLowerCase()), ...ofOrigins])
  return createMiddleware(async (c, next) => {
    if (!known) return next()
    const { host, hostname } = new URL(c.req.url)
    if (known.has(host) || known.has(hostname) || ADDRESS.test(hostname) || LOCAL.test(hostname)) return next()
    const text = `This bridge does not have the host name ${JSON.stringify(hostname)}. Add it to its option "hosts".`
    throw new OriginError(421, 'request-refused', text)
  })
}
