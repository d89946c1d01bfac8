/**
 * A process that runs relays until SIGTERM, for tests that kill it: `relay-worker.ts <options as JSON>`. Prints `ready`, and
 * its problems.
 */
import process from 'node:process'
import { into, outOf, percent, type RelayDefinition, relay } from '../../bridge/relay/index.ts'
import type { BrokerKind } from '../../demo/setup/brokers/foreign-broker.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import { placeOf } from './brokers.ts'
import { chaosContract, type Numbered } from './chaos-contract.ts'

/** What the process is given. */
export interface WorkerOptions {
  readonly nats: string
  readonly kind: BrokerKind
  readonly broker: string
  /** In ms a message. */
  readonly delay: number
  readonly relays: ReadonlyArray<'in' | 'out' | 'control'>
  /** As of `IntoOptions.store`. */
  readonly store?: 'batches' | 'ids'
}

const options = JSON.parse(process.argv[2] ?? '{}') as WorkerOptions
const events = chaosContract(options.delay)
const place = (name: string) => placeOf(options.kind, options.broker, name)
const store = options.store ?? 'batches'
const all: Record<string, RelayDefinition> = {
  in: into(events, 'in.{key}', {
    from: place('in'),
    params: ({ data }) => ({ key: percent.encode((data as Numbered).key) }),
    window: 300,
    store,
  }),
  control: into(events, 'control.{key}', {
    from: place('control'),
    params: ({ data }) => ({ key: percent.encode((data as Numbered).key) }),
    window: 300,
    store,
    // As if the publisher gave none.
    id: () => undefined,
  }),
  out: outOf(events, 'out.{key}', { to: place('out'), key: (e) => percent.decode(e.params.key) }),
}
const chosen = Object.fromEntries(options.relays.map((name) => [name, all[name] as RelayDefinition]))
const transport = nats({ url: options.nats })
const running = relay(events, chosen, { transport, onError: (problem) => console.log(`problem ${problem.message}`) })
process.once('SIGTERM', async () => {
  await running.drain()
  console.log(`drained ${JSON.stringify(running.status)}`)
  await transport.close()
})
if (process.env.RELAY_VERBOSE) setInterval(() => console.log(JSON.stringify(running.status.map(({ name, state, problem, relayed, duplicates, redelivered, stoppedLanes, lag }) => ({ name, state, problem, relayed, duplicates, redelivered, stoppedLanes, lag })))), 2000).unref()
await running.ready
console.log(`ready ${running.process}`)
