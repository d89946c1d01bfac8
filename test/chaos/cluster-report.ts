import { markdownTable } from '../support/markdown-table.ts'
import type { CrowdResult, CrowdState, CrowdWindow, Faults } from './crowd.ts'

/** One fault, with the measurements of all processes with clients. */
export interface MeasuredFault {
  readonly kind: string
  /** Time from its beginning until all clients were live and had all events, in ms. */
  readonly settled: number
  readonly windows: readonly CrowdWindow[]
}

/** Effects of one kind of fault. Times are in ms. */
export interface FaultRow {
  readonly kind: string
  readonly times: number
  /** Affected clients, in all faults of the kind. */
  readonly affected: number
  /** Longest time without a streamed event of each affected client. */
  readonly p50: number
  readonly p99: number
  readonly longest: number
  /** The same for 99 % of the other clients. */
  readonly others: number | undefined
  readonly streamed: Faults
  readonly live: Faults
}

export interface ClusterReport {
  readonly seed: number
  readonly clients: number
  /** Events per second. */
  readonly rate: number
  readonly rows: readonly FaultRow[]
  /** Streamed events: published, stored, and received by all clients together. */
  readonly acknowledged: number
  readonly stored: number
  readonly received: number
  readonly streamed: Faults
  /** Events that were acknowledged and are not stored once, and events that clients have received differently. */
  readonly notStoredOnce: number
  readonly conflicts: number
  readonly gaps: number
  readonly rejected: Readonly<Record<string, number>>
  readonly errors: Readonly<Record<string, number>>
  /** Events without a stream, and the ones that NATS has not confirmed. */
  readonly live: number
  readonly unconfirmed: number
  /** Members of presence channels at the end, and the number of them that see exactly the members of their channel. */
  readonly members: number
  readonly exact: number
}

interface Run {
  readonly seed: number
  readonly clients: number
  readonly faults: readonly MeasuredFault[]
  readonly stored: ReadonlyArray<{ readonly seq: number; readonly n: number }>
  readonly flow: {
    readonly rate: number
    readonly acknowledged: readonly number[]
    readonly rejected: Readonly<Record<string, number>>
    readonly live: number
    readonly unconfirmed: number
  }
  readonly presence: Pick<CrowdState, 'members' | 'exact'>
  readonly results: readonly CrowdResult[]
}

export function createReport({ seed, clients, faults, stored, flow, presence, results }: Run): ClusterReport {
  const times = new Map<number, number>()
  for (const { n } of stored) times.set(n, (times.get(n) ?? 0) + 1)
  const bySeq = new Map(stored.map(({ seq, n }) => [seq, n]))
  const foreign = results.flatMap((result) => result.stored.filter(([seq, n]) => bySeq.get(seq) !== n)).length
  const sum = (of: (result: CrowdResult) => number) => results.reduce((total, result) => total + of(result), 0)
  return {
    seed,
    clients,
    rate: flow.rate,
    rows: [...Map.groupBy(faults, ({ kind }) => kind)].map(([kind, all]) => toRow(kind, all)),
    acknowledged: flow.acknowledged.length,
    stored: stored.length,
    received: sum(({ received }) => received),
    streamed: add(results.map(({ streamed }) => streamed)),
    notStoredOnce:
      flow.acknowledged.filter((n) => !times.has(n)).length + [...times.values()].filter((count) => count > 1).length,
    conflicts: sum(({ conflicts }) => conflicts) + foreign,
    gaps: sum(({ gaps }) => gaps),
    rejected: flow.rejected,
    errors: Object.assign({}, ...results.map(({ errors }) => errors)),
    live: flow.live,
    unconfirmed: flow.unconfirmed,
    members: presence.members,
    exact: presence.exact,
  }
}

function toRow(kind: string, faults: readonly MeasuredFault[]): FaultRow {
  const windows = faults.flatMap(({ windows }) => windows)
  const affected = windows.flatMap((window) => window.affected).sort((a, b) => a - b)
  const others = windows.flatMap((window) => window.others).sort((a, b) => a - b)
  const at = (sorted: readonly number[], share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? 0
  return {
    kind,
    times: faults.length,
    affected: affected.length,
    p50: at(affected, 0.5),
    p99: at(affected, 0.99),
    longest: affected.at(-1) ?? 0,
    others: others.length > 0 ? at(others, 0.99) : undefined,
    streamed: add(windows.map(({ streamed }) => streamed)),
    live: add(windows.map(({ live }) => live)),
  }
}

/** The rows as a table in Markdown. */
export function toTable({ rows }: ClusterReport): string {
  const seconds = (ms: number | undefined) => (ms === undefined ? '' : `${(ms / 1_000).toFixed(1)} s`)
  const faults = ({ lost, doubled, disordered }: Faults) => [lost, doubled, disordered].map(String)
  const heads = [
    ['fault', 'times', 'clients affected', 'p50', 'p99', 'longest', 'p99 of others'],
    ['streamed: lost', 'doubled', 'disordered', 'live: lost', 'doubled', 'disordered'],
  ].flat()
  const cells = rows.map((row) => [
    row.kind,
    String(row.times),
    String(row.affected),
    seconds(row.p50),
    seconds(row.p99),
    seconds(row.longest),
    seconds(row.others),
    ...faults(row.streamed),
    ...faults(row.live),
  ])
  return markdownTable(heads, cells)
}

function add(all: readonly Faults[]): Faults {
  const sum = (of: (faults: Faults) => number) => all.reduce((total, faults) => total + of(faults), 0)
  return { lost: sum(({ lost }) => lost), doubled: sum(({ doubled }) => doubled), disordered: sum((f) => f.disordered) }
}
