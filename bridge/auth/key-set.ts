import { createRemoteJWKSet, customFetch, type FetchImplementation, type JWTVerifyGetKey } from 'jose'
import { SpanwireError } from '../../sdk/wire/errors.ts'

/** Time between two requests for a JWKS, also after a failure, in ms. */
const COOLDOWN = 30_000
/** Largest JWKS, in bytes. */
const MAX_SIZE = 512 * 1024

/**
 * Keys from a JWKS URL. It is fetched at most every 30 s: while it fails, or holds no key for a token, each token of an
 * attacker would fetch it again. A response is bounded in size, and in time by jose (5 s).
 */
export function createKeySet(url: URL, clock: () => number = () => Date.now()): JWTVerifyGetKey {
  return createRemoteJWKSet(url, { [customFetch]: fetchRarely(clock) })
}

function fetchRarely(clock: () => number): FetchImplementation {
  let fetchedAt = Number.NEGATIVE_INFINITY
  let last: Promise<string> | undefined
  return async (url, options) => {
    const now = clock()
    if (!last || now - fetchedAt >= COOLDOWN) {
      fetchedAt = now
      last = fetchText(url, options)
    }
    return new Response(await last)
  }
}

async function fetchText(url: string, options: RequestInit): Promise<string> {
  const response = await fetch(url, options)
  if (response.status !== 200) {
    await response.body?.cancel()
    throw unavailable(`The JWKS responds with ${response.status}.`)
  }
  const reader = response.body?.getReader()
  const decoder = new TextDecoder()
  let text = ''
  for (;;) {
    const { done = true, value } = (await reader?.read()) ?? {}
    text += decoder.decode(value, { stream: !done })
    if (done) return text
    if (text.length <= MAX_SIZE) continue
    await reader?.cancel()
    throw unavailable(`The JWKS is larger than ${MAX_SIZE} bytes.`)
  }
}

function unavailable(message: string): SpanwireError {
  return new SpanwireError('upstream-unavailable', message)
}
