import { createTransform } from '../../bridge/broker/jetstream/subject-transform.ts'

/** A line of the workers' log. */
export interface Line {
  readonly word: string
  readonly id: string
  readonly n: number
  readonly pid: number
  /** In ms since 1970. */
  readonly at: number
}

/** Times in which a partition stood still while it moved to another process, in ms. */
export interface Standstill {
  readonly moves: number
  readonly p50: number
  readonly p99: number
}

/** Findings in a log. */
export interface Findings {
  /** Events that were not handled. */
  readonly lost: number
  /** Events that began before all earlier events of their key were done. */
  readonly inversions: number
  /** Events that began again after their process was killed, or did not run for a time. */
  readonly repeatedAfterCrash: number
  /** All other events that began again. */
  readonly repeated: number
  /** Moves from a process that drained, or that gave partitions to a new one. */
  readonly handover: Standstill
  /** Moves from a process that was killed. */
  readonly crash: Standstill
}

export function parseLog(text: string): Line[] {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [word = '', id = '', n, pid, at] = line.split(' ')
      return { word, id, n: Number(n), pid: Number(pid), at: Number(at) }
    })
}

/**
 * Judges a log of workers.
 * @param options.published number of events of each key, which are numbered from 1
 * @param options.killed times at which workers were killed, in ms since 1970
 */
export function judge(
  lines: readonly Line[],
  options: {
    readonly published: ReadonlyMap<string, number>
    readonly killed: ReadonlyMap<number, number>
    readonly partitions: number
  },
): Findings {
  const { published, killed, partitions } = options
  const stalled = new Set(lines.filter(({ word }) => word === 'stalled').map(({ pid }) => pid))
  const done = new Map<string, number>()
  const begun = new Map<string, number>()
  let [inversions, repeated, repeatedAfterCrash] = [0, 0, 0]
  for (const { word, id, n, pid } of lines) {
    if (word === 'done') done.set(id, Math.max(done.get(id) ?? 0, n))
    if (word !== 'begun') continue
    if (n > (done.get(id) ?? 0) + 1) inversions++
    const earlier = begun.get(`${id} ${n}`)
    begun.set(`${id} ${n}`, pid)
    if (earlier === undefined) continue
    if (killed.has(earlier) || stalled.has(earlier)) repeatedAfterCrash++
    else repeated++
  }
  const handled = new Set(lines.filter(({ word }) => word === 'done').map(({ id, n }) => `${id} ${n}`))
  const total = [...published.values()].reduce((sum, count) => sum + count, 0)
  return {
    lost: total - handled.size,
    inversions,
    repeated,
    repeatedAfterCrash,
    ...standstills(lines, killed, partitions),
  }
}

/** From the last event of the earlier process to the first event of the next one. */
function standstills(
  lines: readonly Line[],
  killed: ReadonlyMap<number, number>,
  partitions: number,
): Pick<Findings, 'handover' | 'crash'> {
  const partitionOf = createTransform('*', `{{partition(${partitions},1)}}`)
  const last = new Map<string | undefined, Line>()
  const times: Record<'handover' | 'crash', number[]> = { handover: [], crash: [] }
  for (const line of lines) {
    if (line.word === 'stalled') continue
    const partition = partitionOf?.(line.id)
    const before = last.get(partition)
    if (line.word === 'begun' && before && before.pid !== line.pid)
      times[line.at > (killed.get(before.pid) ?? Number.POSITIVE_INFINITY) ? 'crash' : 'handover'].push(
        line.at - before.at,
      )
    last.set(partition, line)
  }
  return { handover: summarize(times.handover), crash: summarize(times.crash) }
}

function summarize(times: number[]): Standstill {
  times.sort((a, b) => a - b)
  const at = (part: number) => times[Math.min(Math.floor(times.length * part), times.length - 1)] ?? 0
  return { moves: times.length, p50: at(0.5), p99: at(0.99) }
}
