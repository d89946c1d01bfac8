/**
 * A process that runs relays until SIGTERM, for tests that kill it: `relay-worker.ts <options as JSON>`. Prints `ready`, and
 * its problems.
 */
import process from 'node:process'
import { type ForeignOrigin, into, outOf, percent, type RelayDefinition, relay } from '../../bridge/relay/index.ts'
import type { BrokerKind } from '../../demo/setup/brokers/foreign-broker.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import { placeOf } from './brokers.ts'
import { chaosContract, type Numbered } from './chaos-contract.ts'

/** Arguments of the process. */
export interface WorkerOptions {
  readonly nats: string
  readonly kind: BrokerKind
  readonly broker: string
  /** In ms a message. */
  readonly delay: number
  readonly relays: ReadonlyArray<'in' | 'out' | 'control'>
  /** How long an acknowledgement is on its way to the foreign broker, in ms: as in a slow network. */
  readonly settleDelay?: number
  /** See `IntoOptions.store`. */
  readonly store?: 'batches' | 'ids'
}

const options = JSON.parse(process.argv[2] ?? '{}') as WorkerOptions
const events = chaosContract(options.delay)
const place = (name: string) => placeOf(options.kind, options.broker, name)
/** A queue whose acknowledgements arrive late. Prints when one is on its way. */
const slow = (name: string): ForeignOrigin => {
  const origin = place(name)
  const { settleDelay = 0 } = options
  if (settleDelay === 0) return origin
  return {
    ...origin,
    async openSource(given) {
      const source = await origin.openSource(given)
      const settle = source.settle.bind(source)
      source.settle = async (done) => {
        console.log(`settling ${name}`)
        await new Promise((resolve) => setTimeout(resolve, settleDelay))
        await settle(done)
      }
      return source
    },
  }
}
const store = options.store ?? 'batches'
const all: Record<string, RelayDefinition> = {
  in: into(events, 'in.{key}', {
    from: slow('in'),
    params: ({ data }) => ({ key: percent.encode((data as Numbered).key) }),
    window: 600,
    store,
  }),
  control: into(events, 'control.{key}', {
    from: slow('control'),
    params: ({ data }) => ({ key: percent.encode((data as Numbered).key) }),
    window: 600,
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
await running.ready
console.log(`ready ${running.process}`)
