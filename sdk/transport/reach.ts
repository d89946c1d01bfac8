/** Explains why a bridge can't be reached: loaded after an attempt has failed. */
import { membersOf } from '../kit/kinds.ts'
import { SpanwireError } from '../wire/errors.ts'

/** How long to wait for each answer, in ms. */
const PATIENCE = 5_000

/** The outcome of an examination. */
export interface Reach {
  /** Whether a bridge that takes clients answers, and accepts this page. */
  readonly isReady: boolean
  /** Time until the bridge answered, in ms. */
  readonly took: number
  /** Why no connection can be made, `connection-refused`. */
  readonly error: SpanwireError
}

/** How long the clients of one process share the answers of a bridge, in ms. */
const SHARED = 1_000

/** By address. `until` is the time until which it is shared, on the clock of `performance`. */
const examinations = new Map<string, { readonly outcome: Promise<Reach>; until: number }>()

/**
 * Examines an address. Clients of one process that lose the same bridge share an examination: otherwise their requests would
 * delay the bridge when it returns.
 * @param base the bridge's address, without a slash at its end
 */
export function examine(base: string): Promise<Reach> {
  const last = examinations.get(base)
  if (last && performance.now() < last.until) return last.outcome
  const examination = { outcome: askTimed(base), until: Number.POSITIVE_INFINITY }
  examinations.set(base, examination)
  const end = () => {
    examination.until = performance.now() + SHARED
  }
  examination.outcome.then(end, end)
  return examination.outcome
}

async function askTimed(base: string): Promise<Reach> {
  const start = performance.now()
  return { ...(await ask(base)), took: performance.now() - start }
}

type Answer = Omit<Reach, 'took'>

/**
 * Asks a bridge by HTTP. Pages of any origin may read its `/healthz`; `/nats` answers pages of its `origins` alone.
 */
async function ask(base: string): Promise<Answer> {
  const origin = (globalThis as { location?: Location }).location?.origin
  const status = await healthOf(base)
  if (status === 'draining') return refused('The bridge is being replaced: the next attempt may reach another.')
  if (status) {
    // Browsers hide the answer from pages that the bridge refuses.
    if (origin !== undefined && !(await answer(`${base}/nats`)))
      return refused(`A bridge answers, but refuses pages of ${origin}: add it to \`origins\`.`)
    const { error } = refused(
      'A bridge answers, but no WebSocket can be opened: a proxy or a firewall may refuse them.',
    )
    return { isReady: true, error }
  }
  const root = new URL(base).origin
  if (root !== base && (await healthOf(root)))
    return refused(`A bridge answers at ${root}, but not at ${base}: check the path of the URL.`)
  const other = base.startsWith('https') ? base.replace('https', 'http') : base.replace('http', 'https')
  if (await healthOf(other))
    return refused(`A bridge answers at ${other}, but not at ${base}: check the scheme of the URL.`)
  // Tells nothing but that something answers.
  if (await answer(base, { mode: 'no-cors' }))
    return refused(`A server answers at ${base}, but it is not a bridge: check the URL.`)
  return refused(`No server answers at ${base}.`)
}

async function healthOf(base: string): Promise<string | undefined> {
  try {
    const { status } = membersOf(await (await answer(`${base}/healthz`))?.json())
    return typeof status === 'string' ? status : undefined
  } catch {
    return undefined
  }
}

function answer(url: string, options: RequestInit = {}): Promise<Response | undefined> {
  const given = { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE), ...options } as const
  return fetch(url, given).catch(() => undefined)
}

function refused(text: string): Answer {
  return { isReady: false, error: new SpanwireError('connection-refused', text) }
}
