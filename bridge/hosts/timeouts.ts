import { SpanwireError } from '../../sdk/wire/errors.ts'

/** How long a server waits for its clients, in ms. */
export interface Timeouts {
  /**
   * A connection without a request. Default 75,000: longer than proxies keep theirs (an AWS ALB 60 s, nginx 60 or 75 s). A
   * proxy answers 502 if it sends a request on a connection that is being closed.
   */
  readonly keepAlive?: number
  /** The head of a request, from the connection or the first byte on. Default 20,000. Bun always has 12,000. */
  readonly headers?: number
  /** A whole request with its body, at most. Default 120,000. Bun cuts requests by `limits.bodyTimeout` alone. */
  readonly request?: number
}

const DEFAULTS: Required<Timeouts> = { keepAlive: 75_000, headers: 20_000, request: 120_000 }

/** @throws SpanwireError `invalid-argument` */
export function readTimeouts(given: Timeouts = {}): Required<Timeouts> {
  for (const [name, value] of Object.entries(given)) {
    if (!(name in DEFAULTS))
      throw new SpanwireError('invalid-argument', `Unknown timeouts.${name}: use ${Object.keys(DEFAULTS).join(', ')}.`)
    if (typeof value !== 'number' || !(value > 0))
      throw new SpanwireError('invalid-argument', `timeouts.${name} is ${value}: it must be a number of ms above 0.`)
  }
  return { ...DEFAULTS, ...given }
}
