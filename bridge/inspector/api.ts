import { messageOf } from '../../sdk/kit/error-text.ts'
import { membersOf } from '../../sdk/kit/kinds.ts'
import type { Hubz } from './responses.ts'

/** The bridge refused the key. */
export class KeyRefused extends Error {}

/** The response of one hub. */
export interface FromHub<T> {
  /** Name of the hub. Empty if there is one. */
  readonly hub: string
  readonly body: T
}

/** How long a response may take, in ms. A hub that does not respond must not stop the page. */
const TIMEOUT = 8_000

/** Requests to the monitoring routes of all hubs. */
export class Api {
  readonly #base: URL
  readonly #key: string
  readonly info: Hubz
  /** Hubs that did not respond to the last request to all of them, with the reason. */
  readonly silent = new Map<string, string>()

  private constructor(base: URL, key: string, info: Hubz) {
    this.#base = base
    this.#key = key
    this.info = info
  }

  /**
   * Checks a key.
   * @throws KeyRefused (as rejection), and Error if the bridge is unreachable or has no monitoring
   */
  static async open(base: URL, key: string): Promise<Api> {
    return new Api(base, key, await request<Hubz>(new URL('hubz', base), key))
  }

  /** Responses of all hubs that respond. A hub of a Worker without clients does not run, and is left out. */
  async all<T>(path: string): Promise<Array<FromHub<T>>> {
    const hubs = this.info.hubs.length > 0 ? this.info.hubs : ['']
    const responses = await Promise.allSettled(hubs.map((hub) => this.one<T>(path, hub)))
    return responses.flatMap((response, index) => {
      const hub = hubs[index] ?? ''
      if (response.status === 'fulfilled') {
        this.silent.delete(hub)
        return [{ hub, body: response.value }]
      }
      if (response.reason instanceof KeyRefused || hubs.length === 1) throw response.reason
      this.silent.set(hub, messageOf(response.reason))
      return []
    })
  }

  /** The response of the first hub that responds. */
  async any<T>(path: string): Promise<FromHub<T>> {
    const hubs = this.info.hubs.length > 0 ? this.info.hubs : ['']
    let problem: unknown
    for (const hub of hubs) {
      try {
        return { hub, body: await this.one<T>(path, hub) }
      } catch (error) {
        if (error instanceof KeyRefused) throw error
        problem = error
      }
    }
    throw problem
  }

  one<T>(path: string, hub: string): Promise<T> {
    const url = new URL(path, this.#base)
    if (hub !== '') url.searchParams.set('hub', hub)
    return request(url, this.#key)
  }

  /** Orders all hubs to close a connection. */
  async disconnect(connection: string, adminKey: string): Promise<void> {
    await request(new URL('admin/disconnect', this.#base), adminKey, { connection })
  }
}

async function request<T>(url: URL, key: string, body?: object): Promise<T> {
  const response = await fetch(url, {
    headers: { Authorization: `Bearer ${key}` },
    signal: AbortSignal.timeout(TIMEOUT),
    cache: 'no-store',
    ...(body && { method: 'POST', body: JSON.stringify(body) }),
  })
  if (response.status === 401) throw new KeyRefused('The bridge refuses this key.')
  const answer = await response.json().catch(() => undefined)
  if (response.ok && answer !== undefined) return answer as T
  const { detail = `The bridge responded with ${response.status}.` } = membersOf(answer)
  throw new Error(String(detail))
}
