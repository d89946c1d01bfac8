import type { Events } from '../../sdk/contract/contract.ts'
import { isJetStreamName } from '../../sdk/jetstream/name.ts'
import { randomToken } from '../../sdk/kit/ids.ts'
import type { NatsConnectionLike } from '../../sdk/transport/nats/nats-connection.ts'
import { toTransport } from '../../sdk/transport/nats/nats-transport.ts'
import type { Transport } from '../../sdk/transport/transport.ts'
import { isSpanwireError, SpanwireError } from '../../sdk/wire/errors.ts'
import { matchesFilter } from '../../sdk/wire/subject.ts'
import { announce } from './announcement.ts'
import { RelayCounts, type RelayStatus } from './counts.ts'
import type { RelayDefinition } from './declare.ts'
import { InwardRelay } from './inward.ts'
import { OutwardRelay } from './outward.ts'

/** Relays by their names. A name is the relay's identity at both brokers: keep it, and use it once. */
export type Relays = Readonly<Record<string, RelayDefinition>>

/** Options of {@link relay}. */
export interface RelayOptions {
  /** How NATS is reached: `nats()`, `fromNats()`, or a connection of NATS's own clients. It stays open. */
  readonly transport: Transport | NatsConnectionLike
  /** Called with each problem and warning. Default: written to the console. */
  readonly onError?: (problem: Error) => void
}

/** Relays that run in this process. */
export interface RunningRelays extends AsyncDisposable {
  /** Resolves when all relays are open. Rejects if one is refused. You do not have to handle its rejection. */
  readonly ready: Promise<void>
  /** The statistics of each relay, in the order of the declaration. */
  readonly status: readonly RelayStatus[]
  /** A random name for this process, in checkpoints and announcements. */
  readonly process: string
  /**
   * Takes nothing new, finishes what has begun within 10 s, and gives the rest back to the brokers. Both sides stay
   * consistent if that takes longer: what is not confirmed comes again. The transport stays open. Idempotent.
   */
  drain(): Promise<void>
}

/** How often lag is asked for, in ms. */
const LOOK = 5_000

/**
 * Runs relays until `drain`.
 *
 *     const running = relay(events, { orders: into(events, 'orders.{id}.created', { … }) }, { transport: nats({ url }) })
 *     process.once('SIGTERM', () => running.drain())
 *
 * @throws SpanwireError `invalid-argument` for relays that would send messages in circles, or share what they must not
 */
export function relay(events: Events, relays: Relays, options: RelayOptions): RunningRelays {
  checkRelays(events, relays)
  const transport = toTransport(options.transport)
  const { onError = report } = options
  const owner = randomToken(16)
  const running = Object.entries(relays).map(([name, definition]) => {
    const counts = new RelayCounts()
    const parts = { name, transport, owner, counts, report: onError }
    const run =
      definition.direction === 'in'
        ? new InwardRelay({ ...parts, definition })
        : new OutwardRelay({ ...parts, definition })
    return { name, definition, counts, run }
  })
  const status = () => running.map(({ name, definition, counts }) => toStatus(name, definition, counts))
  const look = async () => {
    for (const { run, counts } of running) counts.lag = await run.lag().catch(() => counts.lag)
  }
  const timer = setInterval(() => void look(), LOOK)
  timer.unref?.()
  const ready = Promise.all(running.map(({ run }) => run.ready)).then(look)
  ready.catch(() => {})
  const silence = announce(transport, owner, status)
  let draining: Promise<void> | undefined
  const drain = () => {
    draining ??= (async () => {
      clearInterval(timer)
      await Promise.all(running.map(({ run }) => run.drain()))
      silence()
    })()
    return draining
  }
  return {
    ready,
    process: owner,
    get status() {
      return status()
    },
    drain,
    [Symbol.asyncDispose]: drain,
  }
}

function toStatus(name: string, definition: RelayDefinition, counts: RelayCounts): RelayStatus {
  const { direction, event, stream } = definition
  const { state, problem, guarantee, warnings, relayed, duplicates, redelivered, dead } = counts
  const { loops, ignored, withoutId, lag, secondsBehind } = counts
  return {
    name,
    direction,
    place: direction === 'in' ? definition.from.place : definition.to.place,
    event: event.name,
    stream,
    state,
    problem,
    guarantee,
    warnings,
    ...{ relayed, duplicates, redelivered, dead, loops, ignored, withoutId },
    stoppedLanes: [...counts.stoppedLanes],
    lag,
    secondsBehind,
  }
}

/** @throws SpanwireError `invalid-argument` */
function checkRelays(events: Events, relays: Relays): void {
  const refuse = (text: string) => {
    throw new SpanwireError('invalid-argument', text)
  }
  const all = Object.entries(relays)
  if (all.length === 0) refuse('There are no relays. Declare one with into or outOf.')
  for (const [name, definition] of all) {
    if (!isJetStreamName(name))
      refuse(`${JSON.stringify(name)} is not a valid name of a relay. Use no dots, wildcards or blanks.`)
    if (!Object.hasOwn(events, definition.event.name))
      refuse(`${name} relays ${definition.event.name}, which is not in the contract.`)
    const { deadLetter } = definition
    if (deadLetter === undefined) continue
    for (const [other, { direction, event, ...rest }] of all) {
      if (typeof deadLetter === 'string') {
        if (direction === 'out' && matchesFilter(event.template.filter({}), deadLetter))
          refuse(`The dead letter of ${name} (${deadLetter}) is an event that ${other} relays. Use another subject.`)
      } else if (direction === 'in' && 'from' in rest && rest.from.place === deadLetter.place)
        refuse(`The dead letter of ${name} (${deadLetter.place}) is what ${other} reads. Use another place.`)
    }
  }
  const sources = Map.groupBy(
    all.flatMap(([name, one]) =>
      one.direction === 'in' ? [{ name, place: one.from.place, shared: one.from.shared }] : [],
    ),
    ({ place }) => place,
  )
  for (const [place, readers] of sources)
    if (readers.length > 1 && !readers.every(({ shared }) => shared))
      refuse(`${readers.map(({ name }) => name).join(' and ')} read ${place}, which gives each message to one of them.`)
  const routes = new Set<string>()
  for (const [name, one] of all) {
    const route = `${one.direction} ${one.event.name} ${one.direction === 'in' ? one.from.place : one.to.place}`
    if (routes.has(route)) refuse(`${name} repeats another relay: the same event and the same place.`)
    routes.add(route)
  }
}

function report(problem: Error): void {
  // Spanwire's own errors say what to do. Their stack does not help.
  console.error('spanwire relay:', isSpanwireError(problem) ? `${problem.code}: ${problem.message}` : problem)
}
