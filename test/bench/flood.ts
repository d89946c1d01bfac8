/**
 * A publish flood next to a quiet neighbour, as a part of `npm run bench`, or alone: `node test/bench/flood.ts [<runs>]`. The
 * figure is the p99 latency of the neighbour during the flood divided by its p99 without a flood, in the same run. For
 * comparison the flood is also sent to another bridge on the same machine, which shows the effect of the shared processor.
 */
import process from 'node:process'
import { connected, everything, sign } from '../security/live-bridge.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { type HostProcess, runOn, startHost } from '../support/process-host.ts'
import { SECRET } from '../support/token.ts'
import { median } from './median.ts'

const SAMPLES = 2_000

type Latency = readonly [p50: number, p99: number]

const endpoint = ({ url }: HostProcess) => `${url.replace('http', 'ws')}/nats`

/** Prints a line for each run, and the medians. */
export async function benchFlood(runs: number): Promise<void> {
  await using nats = await startNatsServer()
  const options = { upstream: nats.url, auth: { secret: SECRET } }
  const [host, elsewhere] = [await startHost('node', options), await startHost('node', options)]
  const neighbour = await connected(endpoint(host), { auth_token: await sign({ sub: 'neighbour', nats: everything }) })
  await neighbour.exchange('SUB quiet 1\r\n')

  /** In ms. */
  async function latency(): Promise<Latency> {
    const times: number[] = []
    for (let i = 0; i < SAMPLES; i++) {
      const start = performance.now()
      neighbour.send('PUB quiet 2\r\nhi\r\n')
      await neighbour.next()
      times.push(performance.now() - start)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    times.sort((a, b) => a - b)
    return [times[SAMPLES / 2] as number, times[Math.floor(SAMPLES * 0.99)] as number]
  }

  /** The flooder runs in a separate process, because only the bridge is measured. */
  async function flooded(target: HostProcess): Promise<Latency> {
    const token = await sign({ sub: 'mallory', nats: everything })
    const child = runOn('node', 'test/bench/flooder.ts', [endpoint(target), token])
    await new Promise((resolve) => child.stdout?.once('data', resolve))
    const result = await latency()
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill()
    await ended
    return result
  }

  const here: number[] = []
  const there: number[] = []
  // Warms up.
  await latency()
  for (let run = 1; run <= runs; run++) {
    const calm = await latency()
    const beside = await flooded(elsewhere)
    const under = await flooded(host)
    there.push(beside[1] / calm[1])
    here.push(under[1] / calm[1])
    const show = ([p50, p99]: Latency) => `${p50.toFixed(2)}/${p99.toFixed(2)}`
    console.log(
      `flood ${run}/${runs}  p50/p99 in ms: calm ${show(calm)}, flood ${show(under)}, flood elsewhere ${show(beside)}`,
    )
  }
  console.log('\np99 of a quiet neighbour by its p99 without a flood, median')
  console.table({
    'flood next to a quiet neighbour': {
      'same bridge': median(here).toFixed(2),
      'another bridge': median(there).toFixed(2),
    },
  })
  neighbour.terminate()
  await host.stop()
  await elsewhere.stop()
}

if (import.meta.main) {
  await benchFlood(Number(process.argv[2] ?? 3))
  process.exit(0)
}
