/** New tokens for a live connection: loaded with the first token that a function returned. */
import { MAX_TIMER } from '../../kit/max-timer.ts'
import { encodeConnect } from '../../wire/client-op.ts'
import { askToken } from '../ask-token.ts'
import { readClaims } from '../claims.ts'

/** Least time for a refresh before a token expires, in ms. */
const LEAST_MARGIN = 5_000
/** A refresh that fails later than this before the end is not repeated, in ms. */
const LAST_ATTEMPT = 1_000

/** The life of a token, in ms. */
interface Life {
  /** Until it expires, by this machine's clock. */
  readonly left: number
  /** From its issue to its expiry; undefined if it doesn't say when it was issued. */
  readonly length: number | undefined
}

function readLife(token: string, now: number): Life | undefined {
  const { exp, iat } = readClaims(token) ?? {}
  if (typeof exp !== 'number') return undefined
  return { left: exp * 1_000 - now, length: typeof iat === 'number' ? (exp - iat) * 1_000 : undefined }
}

/**
 * Until a token expires, in ms. Clocks are wrong by hours: a token that seems to be from the future, or to have expired,
 * was issued just now, since the server has accepted it.
 */
function leftOf(token: string, now: number): number | undefined {
  const life = readLife(token, now)
  if (!life) return undefined
  const { left, length = left } = life
  return left > 0 && left <= length ? left : length
}

/** How long a token may be used before a new one is needed, in ms: a tenth of its life is left then, or 5 s, or a half. */
function shorten(left: number): number {
  return Math.min(left - Math.min(Math.max(left / 10, LEAST_MARGIN), left / 2), MAX_TIMER)
}

/**
 * How long a token may be used before a new one is needed, in ms. Undefined if it doesn't expire or isn't a JWT.
 * @param now when it was received, in ms since 1970
 */
export function refreshAfter(token: string, now: number): number | undefined {
  const left = leftOf(token, now)
  return left !== undefined && left > 0 ? shorten(left) : undefined
}

/**
 * Sends a new token before each one expires. A refresh that fails is repeated until the token expires.
 * @returns a function that ends it
 */
export function keepFresh(
  first: string,
  source: () => string | Promise<string>,
  send: (frame: Uint8Array) => void,
): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  let stopped = false
  /** How far this machine's clock is ahead of the issuer's: the age of the youngest token when it was received, in ms. */
  let skew: number | undefined

  const note = (token: string) => {
    const { left = 0, length } = readLife(token, Date.now()) ?? {}
    if (length !== undefined) skew = Math.min(skew ?? Number.POSITIVE_INFINITY, length - left)
  }
  const plan = (token: string, ahead: number) => {
    const left = leftOf(token, Date.now() - ahead)
    if (left !== undefined && left > 0) schedule(shorten(left), performance.now() + left)
  }
  /** @param end when the token expires, by `performance.now()` */
  const schedule = (wait: number, end: number) => {
    timer = setTimeout(async () => {
      try {
        // A function that hangs has failed at half of the time that is left.
        const token = await askToken(source, (end - performance.now()) / 2)
        if (stopped) return
        send(encodeConnect({ verbose: false, auth_token: token }))
        note(token)
        plan(token, skew ?? 0)
      } catch {
        const left = end - performance.now()
        if (!stopped && left > LAST_ATTEMPT) schedule(left / 2, end)
      }
    }, wait)
  }
  note(first)
  // The first may have been issued long before: tokens are kept and given out again.
  plan(first, 0)
  return () => {
    stopped = true
    clearTimeout(timer)
  }
}
