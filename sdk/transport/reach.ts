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

/** Examinations that have begun, by address. */
const running = new Map<string, Promise<Reach>>()
/** Examinations that begin when those have ended. */
const waiting = new Map<string, Promise<Reach>>()

/**
 * Examines a bridge. The clients of a process share one examination at a time, because a thousand of them may lose their
 * bridge at once. It begins after the call: an earlier answer may be from before the attempt that failed.
 */
export function examine(base: string): Promise<Reach> {
  const current = running.get(base)
  if (!current) return begin(base)
  const begun = () => {
    waiting.delete(base)
    return begin(base)
  }
  const next = waiting.get(base) ?? current.then(begun, begun)
  waiting.set(base, next)
  return next
}

function begin(base: string): Promise<Reach> {
  const examination = askTimed(base).finally(() => running.delete(base))
  running.set(base, examination)
  return examination
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
