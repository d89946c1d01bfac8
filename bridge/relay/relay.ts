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

/** Relays by name. A name identifies the relay at both brokers. Keep it, and use it once. */
export type Relays = Readonly<Record<string, RelayDefinition>>

/** Options of {@link relay}. */
export interface RelayOptions {
  /** The connection to NATS: `nats()`, `fromNats()` or a connection of a NATS client. `drain` does not close it. */
  readonly transport: Transport | NatsConnectionLike
  /** Called with each problem and each warning. Default: writes to the console. */
  readonly onError?: (problem: Error) => void
}

/** Relays that run in this process. */
export interface RunningRelays extends AsyncDisposable {
  /** Resolves when all relays are open. Rejects if a relay is refused. You do not have to handle its rejection. */
  readonly ready: Promise<void>
  /** The statistics of each relay, in the order of the declaration. */
  readonly status: readonly RelayStatus[]
  /** A random name of this process, in checkpoints and announcements. */
  readonly process: string
  /**
   * Stops consuming, and finishes messages in progress within 10 s. Other messages return to the brokers, which deliver them
   * again. If the time is exceeded, the brokers deliver unconfirmed messages again. The transport stays open. Idempotent.
   */
  drain(): Promise<void>
}

/** The interval of lag requests, in ms. */
const LOOK = 5_000

/**
 * Runs relays until `drain`.
 *
 *     const running = relay(events, { orders: into(events, 'orders.{id}.created', { … }) }, { transport: nats({ url }) })
 *     process.once('SIGTERM', () => running.drain())
 *
 * @throws SpanwireError `invalid-argument` for relays that would form a loop, or that share a queue
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
  if (all.length === 0) refuse('relays is empty. Declare a relay with into or outOf.')
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
        refuse(`The dead letter of ${name} (${deadLetter.place}) is read by ${other}. Use another place.`)
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
      refuse(
        `${readers.map(({ name }) => name).join(' and ')} read ${place}, which delivers each message to one of them. Use one relay.`,
      )
  const routes = new Set<string>()
  for (const [name, one] of all) {
    const route = `${one.direction} ${one.event.name} ${one.direction === 'in' ? one.from.place : one.to.place}`
    if (routes.has(route)) refuse(`${name} has the event and the place of another relay. Remove one of them.`)
    routes.add(route)
  }
}

function report(problem: Error): void {
  // The message of a Spanwire error is sufficient. Its stack is not printed.
  console.error('spanwire relay:', isSpanwireError(problem) ? `${problem.code}: ${problem.message}` : problem)
}
