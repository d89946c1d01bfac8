import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import type { LoaderNews, LoaderOrder } from './loader.ts'

/** Subscribers in several processes. */
export interface Load {
  /** Time until all were connected and subscribed, in ms. */
  readonly connectedIn: number
  /** Resolves when all subscribers together have received this number of messages. */
  untilAll(count: number): Promise<void>
  /** Received messages, the missing, repeated and unordered ones, and latencies in µs. */
  result(): Promise<{ received: number; wrong: number; ages: number[] }>
  stop(): void
}

/** Time without a message after which a run fails, in ms. */
const PATIENCE = 30_000

/** Starts `processes` loaders, which share the clients of `order`. */
export async function startLoad(order: LoaderOrder, processes: number): Promise<Load> {
  const parts = Array.from({ length: processes }, (_, p) => order.clients.filter((_, i) => i % processes === p))
  const children = parts.map((clients) =>
    fork(join(import.meta.dirname, 'loader.ts'), [JSON.stringify({ ...order, clients })], { stdio: 'inherit' }),
  )
  const progress = children.map(() => ({ received: 0 }))
  let wanted: (() => void) | undefined
  const connected = children.map((child, index) =>
    next(child, 'ready', (news) => {
      if (news.kind !== 'progress') return
      progress[index] = news
      wanted?.()
    }),
  )
  const times = await Promise.all(connected)
  const until = (holds: () => boolean) =>
    new Promise<void>((resolve, reject) => {
      const late = setTimeout(
        () => reject(new Error(`No more messages arrived: ${JSON.stringify(progress)}`)),
        PATIENCE,
      )
      wanted = () => {
        if (!holds()) return
        wanted = undefined
        clearTimeout(late)
        resolve()
      }
      wanted()
    })
  return {
    connectedIn: Math.max(...times.map(({ connectedIn }) => connectedIn)),
    untilAll: (count) => until(() => progress.reduce((sum, { received }) => sum + received, 0) >= count),
    async result() {
      const results = children.map((child) => next(child, 'result'))
      for (const child of children) child.send('result')
      const all = await Promise.all(results)
      return {
        received: all.reduce((sum, { received }) => sum + received, 0),
        wrong: all.reduce((sum, { wrong }) => sum + wrong, 0),
        ages: all.flatMap(({ ages }) => ages).sort((a, b) => a - b),
      }
    },
    stop: () => {
      for (const child of children) child.kill()
    },
  }
}

/** Waits for the next report of a kind. `heard` is called with every report. */
function next<Kind extends LoaderNews['kind']>(
  child: ChildProcess,
  kind: Kind,
  heard?: (news: LoaderNews) => void,
): Promise<Extract<LoaderNews, { kind: Kind }>> {
  return new Promise((resolve, reject) => {
    const listen = (news: LoaderNews) => {
      heard?.(news)
      if (news.kind !== kind) return
      resolve(news as Extract<LoaderNews, { kind: Kind }>)
      if (!heard) child.off('message', listen)
    }
    child.on('message', listen)
    child.once('exit', (code) => reject(new Error(`A loader ended with ${code}.`)))
  })
}
